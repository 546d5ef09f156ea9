# X-Spam comes from our own Rspamd alone, which removes that of others.
require "fileinto";

if header :is "X-Spam" "Yes" {
  fileinto "Junk";
  stop;
}
