-- The database and its one reader. Run by root at first boot; on a rebuilt host the reader gets
-- the current password. The tables come with the directory: until then every lookup fails, and
-- every recipient is answered 4xx.
CREATE DATABASE IF NOT EXISTS maildb CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE USER IF NOT EXISTS mail@localhost;
ALTER USER mail@localhost IDENTIFIED BY '@@databasePassword@@';
REVOKE ALL PRIVILEGES, GRANT OPTION FROM mail@localhost;
GRANT SELECT ON maildb.* TO mail@localhost;
