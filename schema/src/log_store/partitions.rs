//! The daily partitions of the call log: `call_log_YYYYMMDD`, days in UTC.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};
use time::Date;

/// Serialises the making of partitions among instances ("SPpart" in ASCII).
const LOCK: i64 = 0x5350_7061_7274;
const PREFIX: &str = "call_log_";

fn name(day: Date) -> String {
    format!("{PREFIX}{:04}{:02}{:02}", day.year(), u8::from(day.month()), day.day())
}

fn day(name: &str) -> Option<Date> {
    let digits = name.strip_prefix(PREFIX).filter(|d| d.len() == 8)?;
    let month = digits.get(4..6)?.parse::<u8>().ok()?.try_into().ok()?;
    Date::from_calendar_date(digits.get(..4)?.parse().ok()?, month, digits.get(6..)?.parse().ok()?).ok()
}

/// Makes the partitions of these days where they are missing.
pub(super) async fn create(conn: &mut PgConnection, days: &[Date]) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    for day in days {
        let name = name(*day);
        let there: bool =
            sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(&name).fetch_one(&mut *tx).await?;
        let Some(next) = day.next_day().filter(|_| !there) else { continue };
        // Made apart and attached: CREATE TABLE … PARTITION OF would lock out every reader and writer meanwhile.
        let sql = format!(
            "CREATE TABLE {name} (LIKE call_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
             ALTER TABLE call_log ATTACH PARTITION {name}
                 FOR VALUES FROM ('{day} 00:00:00+00') TO ('{next} 00:00:00+00')"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// Drops the partitions of days before `oldest`; the days that were dropped.
pub(super) async fn drop_before(conn: &mut PgConnection, oldest: Date) -> Result<Vec<Date>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'call_log'::regclass ORDER BY 1",
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut dropped = Vec::new();
    for row in rows {
        let name: String = row.try_get(0)?;
        // a partition that a person made under another name is theirs
        let Some(day) = day(&name).filter(|day| *day < oldest) else { continue };
        // The day is formatted anew, so that no name from the catalogue gets into a statement. IF EXISTS: another
        // instance may be at it, too.
        let sql = format!("DROP TABLE IF EXISTS {}", self::name(day));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await?;
        dropped.push(day);
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn names_and_days() {
        assert_eq!(name(date!(2025 - 03 - 09)), "call_log_20250309");
        assert_eq!(day("call_log_20250309"), Some(date!(2025 - 03 - 09)));
        for other in
            ["call_log_old", "call_log_20251301", "call_log_2025030", "x_20250309", "call_log_2025030é"]
        {
            assert_eq!(day(other), None, "{other}");
        }
    }
}
