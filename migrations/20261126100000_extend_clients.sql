-- What a client may register beyond its grants: the resource servers that it asks tokens for (RFC 8707), how it
-- authenticates (RFC 7591 section 2, RFC 7523), and what is demanded of it (RFC 9126 section 6, RFC 9449 section 5.2).
-- Every column has a default: a binary of before goes on inserting, and what it does not know it leaves alone.

alter table myapi.clients
    add column audiences text[] not null default '{}',
    add column require_pushed_authorization_requests boolean not null default false,
    add column dpop_bound_access_tokens boolean not null default false,
    add column token_endpoint_auth_method text,
    add column jwks jsonb,
    add column jwks_uri text,
    add constraint clients_auth_method_check check (
        token_endpoint_auth_method is null
        or (token_endpoint_auth_method = 'private_key_jwt' and kind = 'confidential')
    ),
    -- Keys are given once, and only to who signs with one.
    add constraint clients_keys_check check (
        num_nonnulls(jwks, jwks_uri) = num_nonnulls(token_endpoint_auth_method)
    );
comment on column myapi.clients.audience is 'the resource server of a token when a request names none';
comment on column myapi.clients.audiences is 'resource servers beside audience that it may ask tokens for';
comment on column myapi.clients.token_endpoint_auth_method is
    'null: by kind, a secret or nothing; a binary that knows no other finds no secret and refuses the client';

-- A foreign key cannot point from inside an array, so the new name of a resource server is carried there.
create function myapi.carry_audience() returns trigger
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    update myapi.clients
    set audiences = array_replace(audiences, old.audience, new.audience)
    where old.audience = any(audiences);
    return null;
end
$$;
create trigger resource_servers_carry_audience after update of audience on myapi.resource_servers
    for each row when (old.audience is distinct from new.audience) execute function myapi.carry_audience();
