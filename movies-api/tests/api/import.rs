//! Files into the table.

use movies_api::movies::files::{FileError, Format, Rows, Unknowns};
use movies_api::movies::import::{ImportError, ImportOptions, ImportReport, MAX_FAULTS, import};
use sqlx::PgPool;

const STRICT: ImportOptions = ImportOptions { skips_bad: false, is_dry_run: false };
const SKIPPING: ImportOptions = ImportOptions { skips_bad: true, is_dry_run: false };

const GOOD: &str = "movie_id,title,released,rating\n1,One,2001,1.0\n2,\"Two, or \"\"2\"\"\",2002,2.2\n3,Three,2003,3\n";

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_second_run_changes_nothing_and_a_changed_file_updates(pool: PgPool) {
    let first = csv(&pool, GOOD, STRICT).await;
    assert_eq!((first.is_written, first.rows, first.inserted), (true, 3, 3));
    assert_eq!(table(&pool).await, ["1|One|2001|1.0", "2|Two, or \"2\"|2002|2.2", "3|Three|2003|3.0"]);

    let second = csv(&pool, GOOD, STRICT).await;
    assert_eq!((second.inserted, second.updated, second.unchanged), (0, 0, 3));

    let third = csv(&pool, &GOOD.replace("Three", "Drei").replace("3,Drei", "4,Vier,2004,4\n3,Drei"), STRICT).await;
    assert_eq!((third.inserted, third.updated, third.unchanged, third.skipped), (1, 1, 2, 0));
    assert_eq!(table(&pool).await.len(), 4);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn one_bad_row_leaves_the_table_as_it_was(pool: PgPool) {
    let report = csv(&pool, &format!("{GOOD}4,Four,2004,8.15\n"), STRICT).await;
    assert!(report.is_refused(STRICT) && !report.is_written);
    assert_eq!((report.rows, report.skipped, report.inserted), (4, 1, 0));
    assert_eq!(faults(&report), [r#"5 rating must have at most one decimal, not "8.15""#]);
    assert_eq!(table(&pool).await.len(), 0);

    let report = csv(&pool, &format!("{GOOD}4,Four,2004,8.15\n"), SKIPPING).await;
    assert_eq!((report.is_written, report.inserted, report.skipped), (true, 3, 1));
    assert_eq!(table(&pool).await.len(), 3);
}

/// The old application goes on inserting without naming a key.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_next_key_of_the_table_is_free_after_an_import(pool: PgPool) {
    let file = "movie_id,title,released,rating\n1,A,2000,8.0\n7,B,2001,8.1\n";
    for _ in 0..2 {
        csv(&pool, file, ImportOptions::default()).await;
        let insert = "insert into myapi.movies (title) values ('new') returning movie_id > 7";
        assert!(sqlx::query_scalar::<_, bool>(insert).fetch_one(&pool).await.unwrap());
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_dry_run_counts_and_writes_nothing(pool: PgPool) {
    csv(&pool, "movie_id,title,released,rating\n1,Uno,2001,1.0\n2,\"Two, or \"\"2\"\"\",2002,2.2\n", STRICT).await;
    let before = table(&pool).await;
    let report = csv(&pool, GOOD, ImportOptions { skips_bad: false, is_dry_run: true }).await;
    assert_eq!((report.is_written, report.inserted, report.updated, report.unchanged), (false, 1, 1, 1));
    assert_eq!(table(&pool).await, before);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn each_fault_of_a_csv_row_is_named_with_line_and_field(pool: PgPool) {
    let mut file = b"\xef\xbb\xbfrating,extra,title,released,movie_id\r\n".to_vec();
    file.extend(b"8.1,x,\"Two\r\nlines\",2001,1\r\n"); // 2 and 3
    file.extend(b"1e3,x,,46,1.0\r\n"); // 4
    file.extend(b"8.1,x,Too short,2001\r\n"); // 5
    file.extend(b"8.1,x,NUL\0,2001,2\r\n"); // 6
    file.extend(b"8.1,x,\xff\xfe,2001,3\r\n"); // 7
    file.extend(b"\r\n10,x,Late,12345,2147483648\r\n"); // 8 is empty, 9
    file.extend(b"8.1,x,Again,2001,1\r\n"); // 10
    file.extend(b"-1,x,Blank,,-1\r\n"); // 11
    let report = read(&pool, &file, Format::Csv, Unknowns::Refused, STRICT).await.unwrap();
    insta::assert_snapshot!(faults(&report).join("\n"), @r#"
    4 movie_id must be a whole number, not "1.0"
    4 title is empty
    4 released must be between 1000 and 9999, not "46"
    4 rating must be a number such as 7 or 8.1, not "1e3"
    5 - has 4 fields where the header has 5
    6 title holds a NUL character, not "NUL\0"
    7 title is not valid UTF-8
    9 movie_id must be between 0 and 2147483647, not "2147483648"
    9 released must be between 1000 and 9999, not "12345"
    9 rating must be between 0.0 and 9.9, not "10"
    10 movie_id 1 stands in line 2 already
    11 movie_id must be between 0 and 2147483647, not "-1"
    11 released is empty
    11 rating must be between 0.0 and 9.9, not "-1"
    "#);
    assert_eq!((report.rows, report.skipped), (8, 7));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn each_fault_of_a_json_line_is_named_with_line_and_field(pool: PgPool) {
    let mut file =
        b"\xef\xbb\xbf{\"movie_id\":1,\"title\":\"One\",\"released\":2001,\"rating\":8.1,\"extra\":[]}\r\n\n".to_vec();
    file.extend(b"{\"movie_id\":2,\"title\":\"Two\",\"released\":2001,\"rating\":8.1000000000000000001}\n"); // 3
    file.extend(b"{\"movie_id\":\"3\",\"title\":3,\"released\":2001.0,\"rating\":\"8.1\"}\n"); // 4
    file.extend(b"{\"movie_id\":1e3,\"title\":\"\\u0000\",\"released\":null}\n"); // 5
    file.extend(b"[6,\"Six\",2001,8.1]\n"); // 6
    file.extend(b"{\"movie_id\":7,\n"); // 7
    file.extend(b"{\"movie_id\":8,\"movie_id\":9}\n"); // 8
    file.extend(b"{\"movie_id\":9,\"title\":\"\xff\"}\n"); // 9
    file.extend(b"{\"title\":\"\\ud800\",\"released\":2001,\"rating\":1}\n"); // 10
    file.extend(vec![b' '; 1024 * 1024 + 1]); // 11
    file.extend(b"\n{\"movie_id\":1,\"title\":\"Last\",\"released\":2001,\"rating\":9}"); // 12
    let report = read(&pool, &file, Format::Jsonl, Unknowns::Refused, STRICT).await.unwrap();
    insta::assert_snapshot!(faults(&report).join("\n"), @r#"
    3 rating must have at most one decimal, not 8.1000000000000000001
    4 movie_id must be a whole number, not "3"
    4 title must be text, not 3
    4 released must be a whole number, not 2001.0
    4 rating must be a number such as 7 or 8.1, not "8.1"
    5 movie_id must be a whole number, not 1e3
    5 title holds a NUL character, not "\u0000"
    5 released is empty
    5 rating is missing
    6 - is not a JSON object
    7 - is not a JSON object with the four members: EOF while parsing a value (character 14)
    8 - is not a JSON object with the four members: duplicate field `movie_id` (character 24)
    9 - is not valid UTF-8
    10 movie_id is missing
    10 title must be text, not "\ud800"
    11 - is longer than 1048576 bytes
    12 movie_id 1 stands in line 1 already
    "#);
    assert_eq!((report.rows, report.skipped), (11, 10));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn of_a_key_that_is_there_twice_the_first_line_counts(pool: PgPool) {
    let file =
        "movie_id,title,released,rating\n7,First,2001,1.0\n8,Other,2001,1.0\n7,Second,2001,2.0\n7,First,2001,1.0\n";
    let refused = csv(&pool, file, STRICT).await;
    assert_eq!(faults(&refused), ["4 movie_id 7 stands in line 2 already", "5 movie_id 7 stands in line 2 already"]);
    let report = csv(&pool, file, SKIPPING).await;
    assert_eq!((report.inserted, report.updated, report.skipped), (2, 0, 2));
    assert_eq!(table(&pool).await, ["7|First|2001|1.0", "8|Other|2001|1.0"]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn faults_beyond_the_bound_are_counted(pool: PgPool) {
    let mut file = "movie_id,title,released,rating\n".to_owned();
    for row in 0..MAX_FAULTS {
        file.push_str(&format!("{row},,x,1.0\n"));
    }
    file.push_str("1,Twice,2001,1.0\n1,Twice,2001,1.0\n");
    let report = csv(&pool, &file, STRICT).await;
    assert_eq!((report.skipped, report.faults.len()), (MAX_FAULTS as u64 + 1, MAX_FAULTS));
    assert_eq!(report.more_faults, MAX_FAULTS as u64 + 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn unknown_values_are_stored_as_null_where_they_are_allowed(pool: PgPool) {
    let file = b"movie_id,title,released,rating\n1,,,\n2,Two,,2.0\n";
    let report = read(&pool, file, Format::Csv, Unknowns::Allowed, STRICT).await.unwrap();
    assert_eq!(report.inserted, 2);
    let lines = b"{\"movie_id\":1,\"title\":null,\"released\":null,\"rating\":null}\n{\"movie_id\":3}\n";
    let report = read(&pool, lines, Format::Jsonl, Unknowns::Allowed, SKIPPING).await.unwrap();
    assert_eq!((report.unchanged, report.skipped), (1, 1));
    assert_eq!(faults(&report), ["2 title is missing", "2 released is missing", "2 rating is missing"]);
    assert_eq!(table(&pool).await, ["1|null|null|null", "2|Two|null|2.0"]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_copy_would_read_as_its_own_signs_is_stored_as_it_is(pool: PgPool) {
    let title = "tab\\tcr\\rnl\\n\t\r\n\\N \\. é ½";
    let line = serde_json::json!({ "movie_id": 1, "title": title, "released": 2001, "rating": 1 }).to_string();
    read(&pool, line.as_bytes(), Format::Jsonl, Unknowns::Refused, STRICT).await.unwrap();
    let stored: String = sqlx::query_scalar("select title from myapi.movies").fetch_one(&pool).await.unwrap();
    assert_eq!(stored, title);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn more_than_one_chunk_of_rows_arrives_whole(pool: PgPool) {
    let mut file = "movie_id,title,released,rating\n".to_owned();
    for row in 0..20_000 {
        file.push_str(&format!("{row},film {row},2001,{}.{}\n", row % 10, row / 10 % 10));
    }
    assert_eq!(csv(&pool, &file, STRICT).await.inserted, 20_000);
    let whole: i64 = sqlx::query_scalar("select count(*) from myapi.movies where title = 'film ' || movie_id")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(whole, 20_000);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_quote_that_is_never_closed_ends_the_import_and_not_the_memory(pool: PgPool) {
    let mut file = GOOD.to_owned();
    file.push_str("4,\"Four,2004,4.0\n");
    for row in 5..60_000 {
        file.push_str(&format!("{row},film {row},2001,1.0\n"));
    }
    let refused = read(&pool, file.as_bytes(), Format::Csv, Unknowns::Refused, SKIPPING).await.unwrap_err();
    let reason = "cannot be read: behind line 4 is a row of more than 1048576 bytes: is a quote left open there?";
    assert_eq!(refused.to_string(), reason);
    assert_eq!(table(&pool).await.len(), 0);
}

#[rstest::rstest]
#[case("", "`movie_id` is missing")]
#[case("1,One,2001,8.1\n", "`movie_id` is missing")]
#[case("movie_id,title,released\n", "`rating` is missing")]
#[case("movie_id,title,released,rating,title\n", "`title` is there twice")]
fn a_csv_file_needs_its_header(#[case] file: &str, #[case] reason: &str) {
    let Err(FileError::Header(found)) = Rows::open(file.as_bytes(), Format::Csv, Unknowns::Refused) else {
        panic!("a header was found in {file:?}");
    };
    assert_eq!(found, reason);
}

async fn csv(pool: &PgPool, file: &str, options: ImportOptions) -> ImportReport {
    read(pool, file.as_bytes(), Format::Csv, Unknowns::Refused, options).await.unwrap()
}

async fn read(
    pool: &PgPool,
    file: &[u8],
    format: Format,
    unknowns: Unknowns,
    options: ImportOptions,
) -> Result<ImportReport, ImportError> {
    let mut conn = pool.acquire().await.unwrap();
    import(&mut conn, Rows::open(file, format, unknowns)?, options, |_| ()).await
}

fn faults(report: &ImportReport) -> Vec<String> {
    let line = |fault: &movies_api::movies::files::Fault| {
        format!("{} {} {}", fault.line, fault.field.unwrap_or("-"), fault.reason)
    };
    report.faults.iter().map(line).collect()
}

async fn table(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select concat_ws('|', movie_id, coalesce(title, 'null'), coalesce(released::text, 'null'),
                          coalesce(rating::text, 'null'))
         from myapi.movies order by movie_id",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}
