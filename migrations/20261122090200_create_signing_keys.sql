-- Private keys are AES-256-GCM ciphertext under a subkey of the key encryption key, which is never in the database.

create table myapi.signing_keys (
    kid               text        not null,
    alg               text        not null,
    state             text        not null,
    public_jwk        jsonb       not null,
    private_key       bytea       not null,
    private_key_nonce bytea       not null,
    kek_id            text        not null,
    created_at        timestamptz not null default now(),
    activated_at      timestamptz,
    retired_at        timestamptz,
    constraint signing_keys_pkey primary key (kid),
    constraint signing_keys_alg_check check (alg in ('ES256', 'EdDSA', 'RS256')),
    constraint signing_keys_state_check check (state in ('next', 'active', 'retired')),
    constraint signing_keys_activated_check check (state = 'next' or activated_at is not null),
    constraint signing_keys_retired_check check ((state = 'retired') = (retired_at is not null)),
    constraint signing_keys_nonce_check check (octet_length(private_key_nonce) = 12)
);

create unique index signing_keys_one_active on myapi.signing_keys (state) where state = 'active';
