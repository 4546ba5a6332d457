-- DPoP (RFC 9449): logins and codes that are bound to a key, and the proofs that were taken.

alter table myapi.families
    add column dpop_jkt text,
    add constraint families_dpop_jkt_check check (length(dpop_jkt) = 43);
comment on column myapi.families.dpop_jkt is
    'thumbprint of the key whose holder alone may refresh (RFC 9449 section 5), of public clients that use DPoP; null for all others';

alter table myapi.authorization_codes
    add column dpop_jkt text,
    add constraint authorization_codes_dpop_jkt_check check (length(dpop_jkt) = 43);
comment on column myapi.authorization_codes.dpop_jkt is
    'thumbprint of the key whose holder alone may redeem it (RFC 9449 section 10), where the request named one';

-- A row for each token that was given out to a proof, so that every replica knows the proof for as long as it is good: two
-- minutes. Housekeeping takes them away.
create table myapi.dpop_proofs (
    proof_hash bytea       not null,
    expires_at timestamptz not null,
    constraint dpop_proofs_pkey primary key (proof_hash),
    constraint dpop_proofs_proof_hash_check check (octet_length(proof_hash) = 32)
);
comment on column myapi.dpop_proofs.proof_hash is 'SHA-256 of the key''s thumbprint and the proof''s jti';
create index dpop_proofs_expires_at_idx on myapi.dpop_proofs (expires_at);

-- What was granted before, and this table: whatever the function of before grants stays granted.
alter function myapi.apply_grants() rename to apply_grants_before_dpop;
create function myapi.apply_grants() returns void
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    perform myapi.apply_grants_before_dpop();
    revoke all on myapi.dpop_proofs from public;
    if exists (select from pg_roles where rolname = 'myapi_auth') then
        grant select, insert, delete on myapi.dpop_proofs to myapi_auth;
    end if;
end
$$;

revoke execute on function myapi.apply_grants() from public;

select myapi.apply_grants();
