ALTER TABLE instance DROP CONSTRAINT instance_capacity_check;
ALTER TABLE instance ADD CONSTRAINT instance_capacity_check CHECK (capacity BETWEEN 1 AND 100000);
