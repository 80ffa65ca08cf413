-- Users without an e-mail are written to by a user name that is one, whatever their tenant.
CREATE INDEX directory_user_mailbox_idx ON directory_user (user_name_key) WHERE email IS NULL;
