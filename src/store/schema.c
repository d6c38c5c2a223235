#include "store/schema.h"

/*
 * The two databases differ in the names of types and in what may stand behind a table, so a step
 * is written once, over those words:
 *
 *   INT    a 64-bit integer
 *   BLOB   bytes
 *   KEYED  after a table: rows lie in the order of the primary key, and types are enforced
 *
 * Keys start with the merchant, so that a cluster can shard by it. Ids grow with time, so rows of
 * a merchant are appended. A sale touches one index in a random place, operation_unique; the
 * others below are partial and hold only the few rows that somebody waits for:
 *
 *   operation_pending    SENT (1) or IN_DOUBT (4)
 *   operation_follower   captures, refunds, voids; an opening has the id of its payment
 *   payment_window       AUTHORIZED (2)
 */
#define MIGRATION_1(INT, BLOB, KEYED)                                                              \
    "CREATE TABLE setting ("                                                                       \
    "  name TEXT NOT NULL PRIMARY KEY,"                                                            \
    "  value " INT " NOT NULL) " KEYED ";"                                                         \
                                                                                                   \
    "CREATE TABLE merchant ("                                                                      \
    "  id " INT " NOT NULL PRIMARY KEY,"                                                           \
    "  face " INT " NOT NULL,"                                                                     \
    "  login TEXT NOT NULL,"                                                                       \
    "  name TEXT NOT NULL,"                                                                        \
    "  city TEXT NOT NULL,"                                                                        \
    "  country TEXT NOT NULL,"                                                                     \
    "  mcc TEXT NOT NULL,"                                                                         \
    "  mid TEXT NOT NULL,"                                                                         \
    "  tid TEXT NOT NULL,"                                                                         \
    "  password_hash TEXT NOT NULL,"                                                               \
    "  public_key TEXT NOT NULL,"                                                                  \
    "  private_key TEXT NOT NULL,"                                                                 \
    "  active " INT " NOT NULL,"                                                                   \
    "  live " INT " NOT NULL,"                                                                     \
    "  limits TEXT NOT NULL,"                                                                      \
    "  created_ms " INT " NOT NULL,"                                                               \
    "  updated_ms " INT " NOT NULL) " KEYED ";"                                                    \
    "CREATE UNIQUE INDEX merchant_login ON merchant (face, login);"                                \
    "CREATE UNIQUE INDEX merchant_public_key ON merchant (public_key) WHERE public_key <> '';"     \
                                                                                                   \
    "CREATE TABLE card ("                                                                          \
    "  merchant_id " INT " NOT NULL,"                                                              \
    "  id " INT " NOT NULL,"                                                                       \
    "  fingerprint " BLOB " NOT NULL,"                                                             \
    "  token " BLOB " NOT NULL,"                                                                   \
    "  key_id " INT " NOT NULL,"                                                                   \
    "  sealed " BLOB " NOT NULL,"                                                                  \
    "  bin TEXT NOT NULL,"                                                                         \
    "  last4 TEXT NOT NULL,"                                                                       \
    "  brand " INT " NOT NULL,"                                                                    \
    "  expiry_yymm " INT " NOT NULL,"                                                              \
    "  created_ms " INT " NOT NULL,"                                                               \
    "  PRIMARY KEY (merchant_id, id)) " KEYED ";"                                                  \
    "CREATE UNIQUE INDEX card_fingerprint ON card (merchant_id, fingerprint);"                     \
    "CREATE UNIQUE INDEX card_token ON card (merchant_id, token);"                                 \
    "CREATE INDEX card_key ON card (key_id, merchant_id, id);"                                     \
                                                                                                   \
    "CREATE TABLE payment ("                                                                       \
    "  merchant_id " INT " NOT NULL,"                                                              \
    "  id " INT " NOT NULL,"                                                                       \
    "  face " INT " NOT NULL,"                                                                     \
    "  state " INT " NOT NULL,"                                                                    \
    "  currency " INT " NOT NULL,"                                                                 \
    "  authorized_minor " INT " NOT NULL,"                                                         \
    "  captured_minor " INT " NOT NULL,"                                                           \
    "  refunded_minor " INT " NOT NULL,"                                                           \
    "  card_id " INT " NOT NULL,"                                                                  \
    "  expires_ms " INT " NOT NULL,"                                                               \
    "  created_ms " INT " NOT NULL,"                                                               \
    "  updated_ms " INT " NOT NULL,"                                                               \
    "  PRIMARY KEY (merchant_id, id)) " KEYED ";"                                                  \
    "CREATE INDEX payment_window ON payment (expires_ms, merchant_id, id)"                         \
    "  WHERE state = 2 AND expires_ms > 0;"                                                        \
                                                                                                   \
    "CREATE TABLE operation ("                                                                     \
    "  merchant_id " INT " NOT NULL,"                                                              \
    "  id " INT " NOT NULL,"                                                                       \
    "  payment_id " INT " NOT NULL,"                                                               \
    "  parent_id " INT " NOT NULL,"                                                                \
    "  kind " INT " NOT NULL,"                                                                     \
    "  state " INT " NOT NULL,"                                                                    \
    "  outcome " INT " NOT NULL,"                                                                  \
    "  currency " INT " NOT NULL,"                                                                 \
    "  amount_minor " INT " NOT NULL,"                                                             \
    "  unique_id TEXT,"                                                                            \
    "  card_id " INT " NOT NULL,"                                                                  \
    "  expiry_yymm " INT " NOT NULL,"                                                              \
    "  entry " INT " NOT NULL,"                                                                    \
    "  link TEXT NOT NULL,"                                                                        \
    "  stan " INT " NOT NULL,"                                                                     \
    "  sent_ms " INT " NOT NULL,"                                                                  \
    "  attempts " INT " NOT NULL,"                                                                 \
    "  next_ms " INT " NOT NULL,"                                                                  \
    "  reason TEXT NOT NULL,"                                                                      \
    "  de39 TEXT NOT NULL,"                                                                        \
    "  authcode TEXT NOT NULL,"                                                                    \
    "  network_id TEXT NOT NULL,"                                                                  \
    "  advice TEXT NOT NULL,"                                                                      \
    "  cvv_result TEXT NOT NULL,"                                                                  \
    "  facts TEXT NOT NULL,"                                                                       \
    "  created_ms " INT " NOT NULL,"                                                               \
    "  updated_ms " INT " NOT NULL,"                                                               \
    "  PRIMARY KEY (merchant_id, id)) " KEYED ";"                                                  \
    "CREATE UNIQUE INDEX operation_unique ON operation (merchant_id, unique_id)"                   \
    "  WHERE unique_id IS NOT NULL;"                                                               \
    "CREATE INDEX operation_pending ON operation (merchant_id, id) WHERE state IN (1, 4);"         \
    "CREATE INDEX operation_follower ON operation (merchant_id, payment_id, id)"                   \
    "  WHERE parent_id > 0;"                                                                       \
                                                                                                   \
    "CREATE TABLE entry ("                                                                         \
    "  merchant_id " INT " NOT NULL,"                                                              \
    "  operation_id " INT " NOT NULL,"                                                             \
    "  seq " INT " NOT NULL,"                                                                      \
    "  account " INT " NOT NULL,"                                                                  \
    "  currency " INT " NOT NULL,"                                                                 \
    "  amount_minor " INT " NOT NULL,"                                                             \
    "  at_ms " INT " NOT NULL,"                                                                    \
    "  PRIMARY KEY (merchant_id, operation_id, seq)) " KEYED ";"

/*
 * Without numbers SQLite takes a merchant for ten operations and would read all of them to find
 * those of one payment. These are rough proportions of a busy gateway: rows, rows per first
 * column of the index, per first two, ...
 */
#define SQLITE_PROPORTIONS                                                                         \
    "ANALYZE;"                                                                                     \
    "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES"                                             \
    "  ('operation', 'operation', '1000000 100000 1'),"                                            \
    "  ('operation', 'operation_unique', '1000000 100000 1'),"                                     \
    "  ('operation', 'operation_pending', '100 10 1'),"                                            \
    "  ('operation', 'operation_follower', '100000 10000 2 1'),"                                   \
    "  ('payment', 'payment', '1000000 100000 1'),"                                                \
    "  ('payment', 'payment_window', '10000 2 2 1');"                                              \
    "ANALYZE sqlite_schema;"

static const struct migration migrations[] = {
    { 1, "merchants, cards, payments, operations, entries, settings",
        MIGRATION_1("INTEGER", "BLOB", "STRICT, WITHOUT ROWID") SQLITE_PROPORTIONS },
};

const struct migration *schema_migrations(size_t *count)
{
    *count = COUNT(migrations);
    return migrations;
}

int64_t schema_version(void)
{
    return migrations[COUNT(migrations) - 1].version;
}
