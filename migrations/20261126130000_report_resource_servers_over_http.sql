-- Resource servers without this database report over HTTP, as clients: the same table and the same rules for both.

-- Keeps one report under the name of whoever authenticated; false where the process is another one's. What
-- myapi.report_resource_server says of the rows holds here.
create function myapi.keep_resource_server_report(
    reporter text, instance uuid, kids text[], feed_seq bigint, source text
) returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog
as $$
#variable_conflict use_column
declare
    most constant integer := 1000;
begin
    if cardinality(keep_resource_server_report.kids) > 100
        or exists (select from unnest(keep_resource_server_report.kids) as kid where kid is null or length(kid) > 256) then
        raise exception 'not the kids of a key set' using errcode = 'invalid_parameter_value';
    end if;
    update myapi.resource_server_reports r
    set kids = keep_resource_server_report.kids,
        feed_seq = keep_resource_server_report.feed_seq,
        source = keep_resource_server_report.source,
        reported_at = clock_timestamp()
    where r.instance = keep_resource_server_report.instance and r.reported_by = keep_resource_server_report.reporter;
    if found then
        return true;
    end if;
    -- Two processes that start at once must not both be the thousandth.
    perform pg_advisory_xact_lock(hashtextextended('myapi.resource_server_reports', 0));
    delete from myapi.resource_server_reports r
    where r.source <> 'file' and r.reported_at < clock_timestamp() - interval '24 hours';
    delete from myapi.resource_server_reports r
    where r.instance in (
        select silent.instance
        from myapi.resource_server_reports silent
        where silent.reported_at < clock_timestamp() - interval '90 seconds'
        order by silent.source = 'file', silent.reported_at
        limit greatest((select count(*) from myapi.resource_server_reports) - most + 1, 0)
    );
    if (select count(*) from myapi.resource_server_reports) >= most then
        raise exception '% processes report already', most using errcode = 'configuration_limit_exceeded';
    end if;
    insert into myapi.resource_server_reports
        (instance, reported_by, kids, feed_seq, source, first_reported_at, reported_at)
    values (keep_resource_server_report.instance, keep_resource_server_report.reporter,
        keep_resource_server_report.kids, keep_resource_server_report.feed_seq, keep_resource_server_report.source,
        clock_timestamp(), clock_timestamp())
    on conflict (instance) do nothing;
    -- Nobody speaks for another one's process.
    return found;
end
$$;

create or replace function myapi.report_resource_server(instance uuid, kids text[], feed_seq bigint, source text) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog
as $$
begin
    if not myapi.keep_resource_server_report(session_user::text, instance, kids, feed_seq, source) then
        raise exception 'this process reports as another user' using errcode = 'insufficient_privilege';
    end if;
end
$$;

comment on table myapi.resource_server_reports is 'one row a process; written by myapi.keep_resource_server_report alone';
comment on column myapi.resource_server_reports.reported_by is 'the database user of its session, or client:ID';

create function myapi.apply_report_grants() returns void
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    if exists (select from pg_roles where rolname = 'myapi_auth') then
        grant execute on function
            myapi.keep_resource_server_report(text, uuid, text[], bigint, text)
            to myapi_auth;
    end if;
end
$$;

revoke execute on function
    myapi.keep_resource_server_report(text, uuid, text[], bigint, text), myapi.apply_report_grants()
    from public;

select myapi.apply_report_grants();
