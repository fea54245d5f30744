-- A sign-in writes its instant, a code its step: no news to the gateways. They hear of what their snapshot reads.
DROP TRIGGER told ON users;
CREATE TRIGGER told AFTER INSERT OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('users', 'id');
CREATE TRIGGER told_update AFTER UPDATE ON users FOR EACH ROW
    WHEN ((OLD.id, OLD.email, OLD.name, OLD.active, OLD.deleted_at)
          IS DISTINCT FROM (NEW.id, NEW.email, NEW.name, NEW.active, NEW.deleted_at))
    EXECUTE FUNCTION sallyport_notify('users', 'id');
