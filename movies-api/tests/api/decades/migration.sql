-- Stable, because it only reads; the caller's own rights decide what it may read.
create or replace function myapi.movies_by_decade()
    returns table (decade integer, movies bigint, mean_rating numeric(2, 1))
    language sql
    stable
begin atomic
    select released / 10 * 10, count(*), avg(rating)::numeric(2, 1)
    from myapi.movies
    where released is not null
    group by 1
    order by 1;
end;
