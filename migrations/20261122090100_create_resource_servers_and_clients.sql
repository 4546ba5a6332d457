-- Resource servers and scopes are rows: a new service needs rows, not code.

create table myapi.resource_servers (
    audience   text        not null,
    name       text        not null,
    created_at timestamptz not null default now(),
    constraint resource_servers_pkey primary key (audience),
    constraint resource_servers_name_key unique (name),
    constraint resource_servers_audience_check check (audience <> ''),
    constraint resource_servers_name_check check (name <> '')
);

-- A scope without audience speaks of the user (profile, email) and may stand in a token for any resource server.
create table myapi.scopes (
    scope       text not null,
    audience    text,
    description text not null,
    constraint scopes_pkey primary key (scope),
    constraint scopes_audience_fkey foreign key (audience)
        references myapi.resource_servers (audience) on update cascade on delete cascade,
    constraint scopes_scope_check check (scope ~ '^[\x21\x23-\x5b\x5d-\x7e]+$')
);

insert into myapi.scopes (scope, description)
values ('profile', 'See your name'),
       ('email', 'See your e-mail address');

-- A client's row outlives its deletion: a client_id is never given out twice.
create table myapi.clients (
    client_id        text        not null,
    name             text        not null,
    kind             text        not null,
    grants           text[]      not null,
    scopes           text[]      not null,
    default_scopes   text[]      not null,
    audience         text        not null,
    serves           text,
    access_token_ttl integer,
    client_version   bigint      not null default 1,
    created_at       timestamptz not null default now(),
    disabled_at      timestamptz,
    deleted_at       timestamptz,
    constraint clients_pkey primary key (client_id),
    constraint clients_kind_check check (kind in ('confidential', 'public')),
    constraint clients_default_scopes_check check (default_scopes <@ scopes),
    constraint clients_access_token_ttl_check check (access_token_ttl > 0),
    constraint clients_audience_fkey foreign key (audience)
        references myapi.resource_servers (audience) on update cascade,
    constraint clients_serves_fkey foreign key (serves)
        references myapi.resource_servers (audience) on update cascade
);
comment on column myapi.clients.access_token_ttl is 'seconds; null is the configured default';

create table myapi.client_secrets (
    secret_id   uuid        not null,
    client_id   text        not null,
    secret_hash bytea       not null,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz,
    constraint client_secrets_pkey primary key (secret_id),
    constraint client_secrets_client_id_fkey foreign key (client_id)
        references myapi.clients (client_id) on delete cascade,
    constraint client_secrets_secret_hash_check check (octet_length(secret_hash) = 32)
);
create index client_secrets_client_id_idx on myapi.client_secrets (client_id);
