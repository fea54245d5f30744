-- Every change of the control plane is told on one channel as '<table>:<op>:<id>', also a change made by hand in psql.
-- Postgres delivers after commit and folds equal payloads of one transaction into one.

CREATE FUNCTION sallyport_notify() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told   text := TG_ARGV[0];  -- the table to name: a child names its parent's
    col    text := TG_ARGV[1];  -- the column that holds the id to name
    own    boolean := (told = TG_TABLE_NAME);
    new_id text;
    old_id text;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        new_id := to_jsonb(NEW) ->> col;
        PERFORM pg_notify('sallyport_changes',
            told || ':' || CASE WHEN own THEN lower(TG_OP) ELSE 'update' END || ':' || new_id);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        old_id := to_jsonb(OLD) ->> col;
        -- also an update that moves a row to another id: the old one is gone
        IF old_id IS DISTINCT FROM new_id THEN
            PERFORM pg_notify('sallyport_changes',
                told || ':' || CASE WHEN own THEN 'delete' ELSE 'update' END || ':' || old_id);
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- TRUNCATE fires no row triggers: readers load everything anew.
CREATE FUNCTION sallyport_notify_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('sallyport_changes', TG_TABLE_NAME || ':truncate:');
    RETURN NULL;
END $$;

CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON organisation_settings
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('organisation_settings', 'key');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('users', 'id');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON teams
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('teams', 'id');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON team_members
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('teams', 'team_id');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON virtual_keys
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('virtual_keys', 'id');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON providers
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('providers', 'id');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON models
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('models', 'id');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON routes
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('models', 'model_id');

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['organisation_settings', 'users', 'teams', 'team_members', 'virtual_keys',
                             'providers', 'models', 'routes'] LOOP
        EXECUTE format('CREATE TRIGGER told_truncate AFTER TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION sallyport_notify_truncate()', t);
    END LOOP;
END $$;
