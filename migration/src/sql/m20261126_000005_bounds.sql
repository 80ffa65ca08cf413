-- Sign-ins to which nothing came back are removed every minute: found without a look at those that are retained for their trace.
CREATE INDEX sign_in_open_idx ON sign_in (expires_at) WHERE status IN ('started','answered');
