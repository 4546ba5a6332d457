-- A server reads a client with every request. What it read before is good for as long as the client's revision is the
-- same: a small question in the place of a large one. Whoever changes the client or its secrets, by whatever means, changes
-- the revision in the same transaction, so that nobody ever sees new rows under an old revision.
--
-- Random, not counted: a transaction that is rolled back, a standby that takes over, or a backup that is restored would
-- let a counter give out a number twice, for two different contents.

alter table myapi.clients add column revision uuid not null default gen_random_uuid();
comment on column myapi.clients.revision is 'another one after every change of the client or of its secrets; never the same twice';

create function myapi.renew_revision() returns trigger
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    new.revision := gen_random_uuid();
    return new;
end
$$;
create trigger clients_renew_revision before update on myapi.clients
    for each row execute function myapi.renew_revision();

create function myapi.renew_revision_of_owner() returns trigger
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    -- Before and after: a secret can be moved. The trigger above makes the new one.
    update myapi.clients
    set revision = default
    where tg_op = 'TRUNCATE' or client_id in (old.client_id, new.client_id);
    return null;
end
$$;
create trigger client_secrets_renew_revision after insert or update or delete on myapi.client_secrets
    for each row execute function myapi.renew_revision_of_owner();
create trigger client_secrets_renew_revisions after truncate on myapi.client_secrets
    for each statement execute function myapi.renew_revision_of_owner();
