-- The role that was given here, while role is a sign-in's; NULL: none was, and the policy's default role is what is left.
ALTER TABLE directory_user ADD COLUMN role_under TEXT CHECK (role_under IN ('admin','contributor','viewer','guest','service'));
