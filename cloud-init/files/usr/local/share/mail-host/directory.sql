-- Turns @document into the tables of the directory: built beside the old ones, counted, and swapped
-- by one RENAME, so that no lookup ever sees a part. An error anywhere leaves the old ones alone.
-- Addresses are lower-case ASCII and compare byte by byte, padding included; who asks folds case.
-- A collation that folds case takes look-alikes for ASCII too (docs/decisions/0007).
SET SESSION sql_mode = 'STRICT_ALL_TABLES';
SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin;

DELIMITER //
BEGIN NOT ATOMIC
  IF NOT JSON_VALID(@document) OR JSON_TYPE(@document) <> 'OBJECT' THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the input is not a JSON object';
  END IF;
  IF NOT COALESCE(JSON_TYPE(JSON_EXTRACT(@document, '$.domains')) = 'ARRAY'
    AND JSON_TYPE(JSON_EXTRACT(@document, '$.users')) = 'ARRAY'
    AND JSON_TYPE(JSON_EXTRACT(@document, '$.aliases')) = 'ARRAY'
    AND JSON_LENGTH(@document) = 3, FALSE) THEN
    SIGNAL SQLSTATE '45000'
      SET MESSAGE_TEXT = 'the input needs the lists domains, users and aliases, and nothing else';
  END IF;
END//
DELIMITER ;

DROP TABLE IF EXISTS domains_new, users_new, aliases_new;

-- Widths: RFC 5321 allows 64 characters, an @ and 255 more.
CREATE TABLE domains_new (
  domain VARCHAR(255) NOT NULL CHECK (domain NOT REGEXP '^-|[^a-z0-9.-]'),
  PRIMARY KEY (domain)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE TABLE users_new (
  email VARCHAR(320) NOT NULL CHECK (email NOT REGEXP '^-|[^a-z0-9._@-]'),
  crypt VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (crypt NOT REGEXP '[^!-~]'),
  PRIMARY KEY (email)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE TABLE aliases_new (
  mail VARCHAR(320) NOT NULL CHECK (mail NOT REGEXP '^-|[^a-z0-9._@-]'),
  destination VARCHAR(320) NOT NULL
    CHECK (destination NOT REGEXP '[^A-Za-z0-9!#&*+/=?^_`{|}~.@-]'),
  PRIMARY KEY (mail, destination)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

INSERT INTO domains_new
SELECT domain FROM JSON_TABLE(@document, '$.domains[*]' COLUMNS (
  domain TEXT PATH '$' ERROR ON EMPTY ERROR ON ERROR
)) AS input;

INSERT INTO users_new
SELECT email, crypt FROM JSON_TABLE(@document, '$.users[*]' COLUMNS (
  email TEXT PATH '$.email' ERROR ON EMPTY ERROR ON ERROR,
  crypt TEXT PATH '$.crypt' ERROR ON EMPTY ERROR ON ERROR
)) AS input;

INSERT INTO aliases_new
SELECT mail, destination FROM JSON_TABLE(@document, '$.aliases[*]' COLUMNS (
  mail TEXT PATH '$.mail' ERROR ON EMPTY ERROR ON ERROR,
  destination TEXT PATH '$.destination' ERROR ON EMPTY ERROR ON ERROR
)) AS input;

DELIMITER //
BEGIN NOT ATOMIC
  IF (SELECT COUNT(*) FROM domains_new) <> JSON_LENGTH(@document, '$.domains')
    OR (SELECT COUNT(*) FROM users_new) <> JSON_LENGTH(@document, '$.users')
    OR (SELECT COUNT(*) FROM aliases_new) <> JSON_LENGTH(@document, '$.aliases')
    OR EXISTS (SELECT 1 FROM domains_new WHERE domain = '')
    OR EXISTS (SELECT 1 FROM users_new WHERE email = '' OR crypt = '')
    OR EXISTS (SELECT 1 FROM aliases_new WHERE mail = '' OR destination = '') THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a row is empty or was not understood';
  END IF;
END//
DELIMITER ;

-- IF EXISTS: at first there is nothing to replace.
DROP TABLE IF EXISTS domains_old, users_old, aliases_old;
RENAME TABLE IF EXISTS
  domains TO domains_old, domains_new TO domains,
  users TO users_old, users_new TO users,
  aliases TO aliases_old, aliases_new TO aliases;
DROP TABLE IF EXISTS domains_old, users_old, aliases_old;

SELECT CONCAT('directory: ', (SELECT COUNT(*) FROM domains), ' domains, ',
  (SELECT COUNT(*) FROM users), ' mailboxes, ', (SELECT COUNT(*) FROM aliases), ' aliases');
