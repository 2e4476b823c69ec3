-- Ends a transaction whose movements the ledger refuses; the refusals are the detail of the error UR001.
CREATE OR REPLACE FUNCTION refuse_stock(refusals json) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'stock refused' USING ERRCODE = 'UR001', DETAIL = refusals::text;
END $$;
