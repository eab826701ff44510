-- Reservations that nothing stands in the way of are granted in one round trip, which is also the
-- commit: all of them, or none. False, and nothing has changed: some do not fit, or need rules that
-- are not here (merged, unknown and erased customers, repeats, what expires at once, forgotten and
-- resized windows). Then nba_postgres.book decides them one by one.
-- What it is given: nba_postgres.granting. The order of its locks: nba_postgres.unit. Its tables are
-- found in the schema of the session.
CREATE FUNCTION grant_all(
  store bigint, moment double precision, simulated boolean, step double precision, most integer,
  begun text, over double precision,
  customers_asked text[],
  names text[], limits text[], amounts bigint[], ceilings bigint[], lengths double precision[],
  ids text[], decisions text[], holders text[], ends double precision[], holdings text[],
  requests text[], fingerprints bytea[], attempts text[], identities_asked text[],
  untils double precision[], forgotten double precision[], held text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  clock double precision;
  at double precision;
  due_ids text[];
  due_holdings text[];
  falling text[];
  involved text[] := names;
  count bigint;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(store);
  clock := (SELECT value FROM meta WHERE key = 'clock');
  at := greatest(moment, clock);
  IF EXISTS (SELECT FROM unnest(ends) AS new(expires) WHERE expires <= at)
    OR EXISTS (SELECT FROM erasures WHERE before > begun)
    OR EXISTS (SELECT FROM reservations WHERE reservation_id = ANY(ids))
    OR EXISTS (
      SELECT FROM unnest(customers_asked) AS asked(name)
      WHERE EXISTS (SELECT FROM identities WHERE identity = name AND customer IS NOT NULL)
        OR NOT EXISTS (SELECT FROM customers WHERE customer_id = name)
        AND (NOT EXISTS (SELECT FROM identities WHERE identity = name)
             OR EXISTS (SELECT FROM merged WHERE customer_id = name)))
  THEN
    RETURN false;
  END IF;

  IF requests IS NOT NULL THEN
    INSERT INTO decision_requests(
      request_id, fingerprint, decision_id, identity, until, expires, held)
    SELECT * FROM unnest(requests, fingerprints, attempts, identities_asked, untils, forgotten, held)
      AS new(name)
    ORDER BY name COLLATE "C" ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS count = ROW_COUNT;
    IF count < cardinality(requests) THEN
      RAISE SQLSTATE 'NB001';
    END IF;
  END IF;

  -- what is due, as far as nobody else holds it, and what fell out of windows
  SELECT array_agg(reservation_id), array_agg(holds) INTO due_ids, due_holdings FROM (
    SELECT reservation_id, holds FROM reservations WHERE status = 0 AND expires <= at
    ORDER BY expires LIMIT most FOR UPDATE SKIP LOCKED) AS due;
  SELECT array_agg(account) INTO falling FROM (
    SELECT account FROM spends WHERE falls <= at ORDER BY falls LIMIT most) AS due;
  IF due_ids IS NOT NULL THEN
    involved := involved || ARRAY(
      SELECT key FROM unnest(due_holdings) AS due(text), json_object_keys(due.text::json) AS key);
  END IF;
  involved := involved || falling;

  INSERT INTO accounts(account, limit_id, ceiling, reserved, spent, overrun, rolls)
  SELECT name, '', 0, 0, 0, 0, 0 FROM unnest(names) AS new(name)
  ORDER BY name COLLATE "C" ON CONFLICT DO NOTHING;
  IF FOUND AND over <= (SELECT value FROM meta WHERE key = 'windows_since') THEN
    RAISE SQLSTATE 'NB001';
  END IF;
  PERFORM FROM accounts WHERE account = ANY(involved) ORDER BY account FOR UPDATE;

  IF due_ids IS NOT NULL THEN
    UPDATE reservations SET status = 3, ended = at WHERE reservation_id = ANY(due_ids);
    UPDATE accounts SET reserved = reserved - freed.amount FROM (
      SELECT key, sum(value::bigint)::bigint AS amount
      FROM unnest(due_holdings) AS due(text), json_each_text(due.text::json) GROUP BY key) AS freed
    WHERE account = freed.key;
  END IF;
  IF falling IS NOT NULL THEN
    WITH fallen AS (
      DELETE FROM spends WHERE account = ANY(involved) AND falls <= at
      RETURNING account, amount, overrun)
    UPDATE accounts SET spent = spent - gone.amount, overrun = accounts.overrun - gone.overrun
    FROM (
      SELECT account, sum(amount)::bigint AS amount, sum(overrun)::bigint AS overrun
      FROM fallen GROUP BY account) AS gone
    WHERE accounts.account = gone.account;
  END IF;

  UPDATE accounts SET reserved = reserved + new.amount, ceiling = new.ceiling,
    limit_id = CASE accounts.limit_id WHEN '' THEN new.limit_id ELSE accounts.limit_id END,
    rolls = CASE accounts.limit_id WHEN '' THEN new.length ELSE rolls END
  FROM unnest(names, limits, amounts, ceilings, lengths)
    AS new(name, limit_id, amount, ceiling, length)
  WHERE account = name AND reserved + spent + new.amount <= new.ceiling
    AND (new.length = 0 OR rolls IN (0, new.length));
  GET DIAGNOSTICS count = ROW_COUNT;
  IF count < cardinality(names) THEN
    RAISE SQLSTATE 'NB001';
  END IF;
  INSERT INTO reservations(reservation_id, decision_id, customer_id, status, expires, holds)
  SELECT id, decision, holder, 0, expires, holding
  FROM unnest(ids, decisions, holders, ends, holdings) AS new(id, decision, holder, expires, holding)
  ORDER BY id COLLATE "C";

  IF NOT simulated AND (clock IS NULL OR moment >= clock + step OR falling IS NOT NULL) THEN
    INSERT INTO meta(key, value) VALUES ('clock', at)
    ON CONFLICT(key) DO UPDATE SET value = greatest(meta.value, excluded.value);
  END IF;
  RETURN true;
EXCEPTION WHEN SQLSTATE 'NB001' THEN
  RETURN false;
END $$;
