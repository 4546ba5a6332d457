-- A key can be revoked: it is published no more, and everything that it signed is dead.

alter table myapi.signing_keys
    add column revoked_at timestamptz,
    drop constraint signing_keys_state_check,
    drop constraint signing_keys_activated_check,
    drop constraint signing_keys_retired_check,
    add constraint signing_keys_state_check check (state in ('next', 'active', 'retired', 'revoked')),
    add constraint signing_keys_activated_check check (state in ('next', 'revoked') or activated_at is not null),
    add constraint signing_keys_retired_check check (
        (state <> 'retired' or retired_at is not null) and (state not in ('next', 'active') or retired_at is null)),
    add constraint signing_keys_revoked_check check ((state = 'revoked') = (revoked_at is not null));
