-- What each process of a resource server holds, so that a new key signs only when every live one has it.

create table myapi.resource_server_reports (
    instance          uuid        not null,
    reported_by       text        not null,
    kids              text[]      not null,
    feed_seq          bigint      not null,
    source            text        not null,
    first_reported_at timestamptz not null,
    reported_at       timestamptz not null,
    constraint resource_server_reports_pkey primary key (instance),
    constraint resource_server_reports_source_check check (source in ('file', 'url'))
);
comment on table myapi.resource_server_reports is 'one row a process; written by myapi.report_resource_server alone';
comment on column myapi.resource_server_reports.reported_by is 'the database user of its session';
comment on column myapi.resource_server_reports.feed_seq is 'how far it has read myapi.revocations';
comment on column myapi.resource_server_reports.source is 'url follows new keys by itself; file needs somebody, and is never taken for gone';
create index resource_server_reports_reported_at_idx on myapi.resource_server_reports (reported_at);

-- The one thing that a resource server writes. Who reports and when is not for the caller to say. A table that is full of
-- live processes takes no more: nobody pushes another one out.
create function myapi.report_resource_server(instance uuid, kids text[], feed_seq bigint, source text) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog
as $$
#variable_conflict use_column
declare
    most constant integer := 1000;
begin
    if cardinality(report_resource_server.kids) > 100
        or exists (select from unnest(report_resource_server.kids) as kid where kid is null or length(kid) > 256) then
        raise exception 'not the kids of a key set' using errcode = 'invalid_parameter_value';
    end if;
    update myapi.resource_server_reports r
    set reported_by = session_user,
        kids = report_resource_server.kids,
        feed_seq = report_resource_server.feed_seq,
        source = report_resource_server.source,
        reported_at = clock_timestamp()
    where r.instance = report_resource_server.instance;
    if found then
        return;
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
    values (report_resource_server.instance, session_user, report_resource_server.kids, report_resource_server.feed_seq,
        report_resource_server.source, clock_timestamp(), clock_timestamp())
    on conflict (instance) do nothing;
end
$$;
revoke execute on function myapi.report_resource_server(uuid, text[], bigint, text) from public;
