-- What users think of movies. A user is who the issuer and its `sub` say together: names and addresses change hands.
create table myapi.reviews (
    review_id  bigint      generated always as identity,
    movie_id   integer     not null,
    author_iss text        not null,
    author_sub text        not null,
    stars      smallint    not null,
    body       text        not null,
    created_at timestamptz not null,
    constraint reviews_pkey primary key (review_id),
    constraint reviews_movie_id_fkey foreign key (movie_id) references myapi.movies (movie_id) on delete cascade,
    constraint reviews_author_key unique (movie_id, author_iss, author_sub),
    constraint reviews_stars_check check (stars between 1 and 5)
);
-- The list of one movie, the newest first.
create index reviews_movie_id_idx on myapi.reviews (movie_id, review_id desc);

-- `auth-server migrate --roles` calls every `apply_…_grants` of the schema, so a room brings its own.
create function myapi.apply_reviews_grants() returns void
    language plpgsql
    set search_path = pg_catalog
as $$
begin
    -- The key of myapi.apply_grants(), which touches every table: two at once would fail.
    perform pg_advisory_xact_lock(hashtextextended('myapi.apply_grants', 0));
    if exists (select from pg_roles where rolname = 'myapi_movies_read') then
        grant select on myapi.reviews to myapi_movies_read;
    end if;
    if exists (select from pg_roles where rolname = 'myapi_movies_write') then
        grant select, insert on myapi.reviews to myapi_movies_write;
    end if;
end
$$;

revoke execute on function myapi.apply_reviews_grants() from public;
select myapi.apply_reviews_grants();
