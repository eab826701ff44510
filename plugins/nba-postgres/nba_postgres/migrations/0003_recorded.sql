-- When interactions arrived; of those that came before this was noted, nobody knows.
ALTER TABLE interactions ADD COLUMN recorded double precision;
