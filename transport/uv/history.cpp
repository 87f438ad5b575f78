#include "history.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "socket.hpp"

namespace plumvine::uv {
namespace {

constexpr int kSchema = 3;
/// Frames of the write-ahead log, about 4 MiB, after which it is carried over into the file.
constexpr int kCheckpointPages = 1024;
/// After a failure nothing is tried for so long.
constexpr std::int64_t kRetryUs = 5'000'000;
constexpr std::size_t kFormerSelvesMax = 16;
/// A quiet history is looked through for old messages so often.
constexpr std::int64_t kTrimEveryUs = 10'000'000;
/// Old messages that go with one commit, at most: a turn is not held up.
constexpr int kTrimAtOnce = 1024;

using Database = std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)>;
using Statement = std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)>;

Error failed(sqlite3* db, const std::string& path, int status) {
  const int base = status & 0xff;
  const bool damaged = base == SQLITE_CORRUPT || base == SQLITE_NOTADB;
  return {damaged ? Errc::invalid_argument : Errc::system,
          "'" + path + "': " + (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(status))};
}

sqlite3_int64 as_int(InstanceId id) { return static_cast<sqlite3_int64>(static_cast<std::uint64_t>(id)); }
InstanceId as_instance(sqlite3_int64 value) { return InstanceId{static_cast<std::uint64_t>(value)}; }

std::string text_at(sqlite3_stmt* row, int column) {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(row, column));
  return bytes == nullptr ? std::string{} : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(row, column)));
}

/// Carries the write-ahead log over into the file on a thread of libuv's, with a connection of its own: this is what waits for the
/// disk.
class Checkpointer {
 public:
  Checkpointer(uv_loop_t* loop, std::string path) : state_(std::make_shared<State>()) {
    state_->loop = loop;
    state_->path = std::move(path);
  }
  void start() {
    if (std::exchange(state_->running, true)) return;
    auto* work = new Work{.request = {}, .state = state_};
    work->request.data = work;
    const int status = uv_queue_work(
        state_->loop, &work->request, [](uv_work_t* request) { static_cast<Work*>(request->data)->state->run(); },
        [](uv_work_t* request, int) {
          const std::unique_ptr<Work> done(static_cast<Work*>(request->data));
          done->state->running = false;
        });
    if (status == 0) return;
    delete work;
    state_->running = false;
  }

 private:
  struct State {
    uv_loop_t* loop = nullptr;
    std::string path;
    bool running = false;
    Database db{nullptr, sqlite3_close_v2};  // used by one work at a time

    void run() {
      if (!db) {
        sqlite3* opened = nullptr;
        const int status = sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE, nullptr);
        db.reset(opened);
        // A connection knows of the log only once it has read something.
        const bool read = status == SQLITE_OK && sqlite3_exec(opened, "SELECT COUNT(*) FROM state", nullptr, nullptr, nullptr) == SQLITE_OK;
        if (!read) return db.reset();
      }
      // What cannot be carried over now, for a reader or a full disk, is carried over next time.
      (void)sqlite3_wal_checkpoint_v2(db.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    }
  };
  struct Work {
    uv_work_t request;
    std::shared_ptr<State> state;
  };
  std::shared_ptr<State> state_;
};

}  // namespace

class History::Impl {
 public:
  Impl(uv_loop_t* loop, std::string path, Limits limits) : path_(std::move(path)), limits_(limits), checkpointer_(loop, path_) {}
  ~Impl() {
    if (open_) (void)execute("COMMIT");
  }

  Status open(InstanceId self);
  void add(const Message& message, std::int64_t now_us);
  Status commit(std::int64_t now_us);
  Status save_position(Cursor position, std::int64_t now_us);

  [[nodiscard]] bool writable() const noexcept { return retry_us_ == 0; }

  Statement prepare(const char* sql) const {
    sqlite3_stmt* statement = nullptr;
    (void)sqlite3_prepare_v2(db_.get(), sql, -1, &statement, nullptr);
    return {statement, sqlite3_finalize};
  }

  /// What was had as of the last writing, beside the messages that are there.
  Cursor position;
  Cursor held;
  std::vector<InstanceId> former_selves;
  std::uint64_t messages = 0, bytes = 0, dropped = 0;

 private:
  struct Added {
    MessageId id;
    std::uint64_t bytes;
  };

  int execute(const char* sql) const { return sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr); }
  Status prepare_schema();
  Status recall();
  Status remember_run(InstanceId self);
  std::optional<std::string> state(const char* key) const;
  int set_state(const char* key, std::string_view value) const;
  bool begin(std::int64_t now_us);
  int insert(const Message& message, bool kept, std::int64_t now_us);
  int trim(std::int64_t now_us);
  int remove_oldest(std::int64_t now_us);
  Status fail(int status, std::int64_t now_us);

  std::string path_;
  Limits limits_;
  Checkpointer checkpointer_;
  Database db_{nullptr, sqlite3_close_v2};
  Statement insert_{nullptr, sqlite3_finalize}, oldest_{nullptr, sqlite3_finalize}, remove_{nullptr, sqlite3_finalize};
  bool open_ = false;             ///< a transaction
  std::vector<Added> added_;      ///< in it
  std::int64_t retry_us_ = 0;
  std::int64_t trim_us_ = 0;      ///< when to look for old messages again
  sqlite3_int64 last_n_ = 0;
  int status_ = SQLITE_OK;        ///< of this turn
};

Status History::Impl::open(InstanceId self) {
  // Made here for its mode, which the files beside it take over.
  const Fd made{::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!made) return Error{Errc::system, "'" + path_ + "': " + std::strerror(errno)};
  sqlite3* opened = nullptr;
  int status = sqlite3_open_v2(path_.c_str(), &opened, SQLITE_OPEN_READWRITE, nullptr);
  db_.reset(opened);
  if (status != SQLITE_OK) return failed(opened, path_, status);
  (void)sqlite3_extended_result_codes(opened, 1);
  (void)sqlite3_busy_timeout(opened, 50);
  for (const char* pragma : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "PRAGMA wal_autocheckpoint=0"}) {
    if (status = execute(pragma); status != SQLITE_OK) return failed(opened, path_, status);
  }
  sqlite3_wal_hook(
      opened,
      [](void* checkpointer, sqlite3*, const char*, int pages) {
        if (pages >= kCheckpointPages) static_cast<Checkpointer*>(checkpointer)->start();
        return SQLITE_OK;
      },
      &checkpointer_);
  if (auto done = prepare_schema(); !done) return done;
  if (auto done = recall(); !done) return done;
  if (auto done = remember_run(self); !done) return done;
  insert_ = prepare("INSERT OR IGNORE INTO message(origin, seq, size, at_us, hops, topic, name, payload, n) VALUES(?,?,?,?,?,?,?,?,?)");
  oldest_ = prepare("SELECT n, origin, seq, size, at_us FROM message ORDER BY n LIMIT 1");
  remove_ = prepare("DELETE FROM message WHERE n = ?");
  if (!insert_ || !oldest_ || !remove_) return failed(opened, path_, sqlite3_errcode(opened));
  return {};
}

Status History::Impl::prepare_schema() {
  const Statement version = prepare("PRAGMA user_version");
  if (!version || sqlite3_step(version.get()) != SQLITE_ROW) return failed(db_.get(), path_, sqlite3_errcode(db_.get()));
  const int found = sqlite3_column_int(version.get(), 0);
  (void)sqlite3_reset(version.get());  // a statement at work keeps an index from being dropped
  if (found > kSchema) return {Errc::invalid_argument, "'" + path_ + "' was written by a later version of this program"};
  int status = execute(
      "BEGIN;"
      "CREATE TABLE IF NOT EXISTS message(n INTEGER PRIMARY KEY, origin INTEGER NOT NULL, seq INTEGER NOT NULL, size INTEGER NOT NULL,"
      " at_us INTEGER NOT NULL, hops INTEGER NOT NULL, topic TEXT NOT NULL, name TEXT NOT NULL, payload BLOB NOT NULL);"
      "CREATE UNIQUE INDEX IF NOT EXISTS message_id ON message(origin, seq, size);"
      "CREATE TABLE IF NOT EXISTS state(key TEXT PRIMARY KEY, value BLOB NOT NULL)");
  // In schema 2 a large message took a sequence for each of its parts.
  if (status == SQLITE_OK && found == 2) status = execute("DROP INDEX message_ids; ALTER TABLE message DROP COLUMN parts");
  if (status == SQLITE_OK) status = execute("PRAGMA user_version=3");
  if (status == SQLITE_OK) status = execute("COMMIT");
  return status == SQLITE_OK ? Status{} : Status{failed(db_.get(), path_, status)};
}

/// What the file says of earlier runs: the position that was saved, and every message that is there.
Status History::Impl::recall() {
  if (const auto text = state("position")) {
    auto saved = Cursor::parse(*text);
    if (!saved) return saved.error().with("'" + path_ + "'");
    position = std::move(*saved);
  }
  const Statement ids = prepare("SELECT origin, seq, size FROM message ORDER BY origin, seq");
  int status = SQLITE_ERROR;
  while (ids && (status = sqlite3_step(ids.get())) == SQLITE_ROW) {
    const auto sequence = static_cast<Sequence>(sqlite3_column_int64(ids.get(), 1));
    held.add(MessageId{as_instance(sqlite3_column_int64(ids.get(), 0)), sequence});
    ++messages;
    bytes += static_cast<std::uint64_t>(sqlite3_column_int64(ids.get(), 2)) + kOverhead;
  }
  if (status != SQLITE_DONE) return failed(db_.get(), path_, status);
  const Statement last = prepare("SELECT MAX(n) FROM message");
  if (!last || sqlite3_step(last.get()) != SQLITE_ROW) return failed(db_.get(), path_, sqlite3_errcode(db_.get()));
  last_n_ = sqlite3_column_int64(last.get(), 0);
  return {};
}

Status History::Impl::remember_run(InstanceId self) {
  const std::string text = state("runs").value_or("");
  const char* at = text.data();
  const char* end = text.data() + text.size();
  while (at < end) {
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(at, end, number, 16);
    if (error == std::errc{}) former_selves.push_back(InstanceId{number});
    at = std::find(stop, end, ' ');
    at += at < end ? 1 : 0;
  }
  if (former_selves.size() > kFormerSelvesMax)
    former_selves.erase(former_selves.begin(), former_selves.end() - static_cast<std::ptrdiff_t>(kFormerSelvesMax));
  std::string all;
  for (const InstanceId run : former_selves) all += to_string(run) + ' ';
  const int status = set_state("runs", all + to_string(self));
  return status == SQLITE_DONE ? Status{} : Status{failed(db_.get(), path_, status)};
}

std::optional<std::string> History::Impl::state(const char* key) const {
  const Statement row = prepare("SELECT value FROM state WHERE key = ?");
  if (!row) return std::nullopt;
  sqlite3_bind_text(row.get(), 1, key, -1, SQLITE_STATIC);
  if (sqlite3_step(row.get()) != SQLITE_ROW) return std::nullopt;
  return text_at(row.get(), 0);
}

int History::Impl::set_state(const char* key, std::string_view value) const {
  const Statement row = prepare("INSERT OR REPLACE INTO state(key, value) VALUES(?, ?)");
  if (!row) return sqlite3_errcode(db_.get());
  sqlite3_bind_text(row.get(), 1, key, -1, SQLITE_STATIC);
  sqlite3_bind_blob64(row.get(), 2, value.data(), value.size(), SQLITE_STATIC);
  return sqlite3_step(row.get());
}

bool History::Impl::begin(std::int64_t now_us) {
  if (open_) return true;
  if (now_us < retry_us_ || status_ != SQLITE_OK) return false;
  status_ = execute("BEGIN IMMEDIATE");
  open_ = status_ == SQLITE_OK;
  return open_;
}

int History::Impl::insert(const Message& message, bool kept, std::int64_t now_us) {
  sqlite3_stmt* row = insert_.get();
  const BytesView payload = kept ? message.payload.view() : BytesView{};
  static constexpr char kNothing[1] = {};
  sqlite3_bind_int64(row, 1, as_int(message.id.origin));
  sqlite3_bind_int64(row, 2, static_cast<sqlite3_int64>(message.id.sequence));
  sqlite3_bind_int64(row, 3, static_cast<sqlite3_int64>(payload.size()));
  sqlite3_bind_int64(row, 4, now_us);
  sqlite3_bind_int64(row, 5, message.hops);
  sqlite3_bind_text64(row, 6, message.topic.data(), message.topic.size(), SQLITE_STATIC, SQLITE_UTF8);
  sqlite3_bind_text64(row, 7, message.origin.data(), message.origin.size(), SQLITE_STATIC, SQLITE_UTF8);
  sqlite3_bind_blob64(row, 8, payload.empty() ? static_cast<const void*>(kNothing) : payload.data(), payload.size(), SQLITE_STATIC);
  sqlite3_bind_int64(row, 9, ++last_n_);
  const int status = sqlite3_step(row);
  (void)sqlite3_reset(row);
  (void)sqlite3_clear_bindings(row);
  return status == SQLITE_DONE ? SQLITE_OK : status;
}

void History::Impl::add(const Message& message, std::int64_t now_us) {
  if (status_ != SQLITE_OK || !begin(now_us)) {
    ++dropped;
    return;
  }
  const bool kept = !message.topic.starts_with('_');
  status_ = insert(message, kept, now_us);
  if (status_ != SQLITE_OK) {
    ++dropped;
    return;
  }
  if (!held.add(message.id)) return;
  const std::uint64_t size = (kept ? message.payload.size() : 0) + kOverhead;
  added_.push_back({message.id, size});
  ++messages;
  bytes += size;
}

/// Removes the oldest messages while there are too many bytes or they are too old. They stay in the position: nobody
/// shall give them again.
int History::Impl::trim(std::int64_t now_us) {
  int removed = 0;
  int status = SQLITE_OK;
  while (removed < kTrimAtOnce && (status = remove_oldest(now_us)) == SQLITE_ROW) ++removed;
  if (status != SQLITE_OK && status != SQLITE_ROW) return status;
  if (removed == 0) return SQLITE_OK;
  const int saved = set_state("position", position.to_string());
  return saved == SQLITE_DONE ? SQLITE_OK : saved;
}

/// SQLITE_ROW: one went. SQLITE_OK: none has to go.
int History::Impl::remove_oldest(std::int64_t now_us) {
  sqlite3_stmt* row = oldest_.get();
  const int found = sqlite3_step(row);
  if (found != SQLITE_ROW) {
    (void)sqlite3_reset(row);
    return found == SQLITE_DONE ? SQLITE_OK : found;
  }
  const sqlite3_int64 n = sqlite3_column_int64(row, 0);
  const MessageId id{as_instance(sqlite3_column_int64(row, 1)), static_cast<Sequence>(sqlite3_column_int64(row, 2))};
  const std::uint64_t size = static_cast<std::uint64_t>(sqlite3_column_int64(row, 3)) + kOverhead;
  const std::int64_t age_us = now_us - sqlite3_column_int64(row, 4);
  (void)sqlite3_reset(row);
  if (bytes <= limits_.bytes_max && age_us <= limits_.window.count() / 1000) return SQLITE_OK;
  sqlite3_bind_int64(remove_.get(), 1, n);
  const int removed = sqlite3_step(remove_.get());
  (void)sqlite3_reset(remove_.get());
  if (removed != SQLITE_DONE) return removed;
  held.remove(id);
  position.add(id);
  bytes -= std::min(bytes, size);
  --messages;
  return SQLITE_ROW;
}

Status History::Impl::commit(std::int64_t now_us) {
  const bool trim_due = bytes > limits_.bytes_max || now_us >= trim_us_;
  if (!open_ && status_ == SQLITE_OK && !(trim_due && begin(now_us))) {
    if (status_ == SQLITE_OK) return {};
  }
  trim_us_ = now_us + kTrimEveryUs;
  if (status_ == SQLITE_OK) status_ = trim(now_us);
  if (status_ == SQLITE_OK) status_ = execute("COMMIT");
  if (status_ != SQLITE_OK) return fail(status_, now_us);
  open_ = false;
  retry_us_ = 0;
  added_.clear();
  return {};
}

/// What this turn added is not there; the rest of the file is as it was.
Status History::Impl::fail(int status, std::int64_t now_us) {
  const Error error = failed(db_.get(), path_, status);
  if (sqlite3_get_autocommit(db_.get()) == 0) (void)execute("ROLLBACK");
  open_ = false;
  for (const Added& added : std::exchange(added_, {})) {
    held.remove(added.id);
    bytes -= added.bytes;
    --messages;
    ++dropped;
  }
  status_ = SQLITE_OK;
  retry_us_ = now_us + kRetryUs;
  return error;
}

Status History::Impl::save_position(Cursor now_had, std::int64_t now_us) {
  if (!begin(now_us)) return {};
  position = std::move(now_had);
  const int saved = set_state("position", position.to_string());
  if (saved != SQLITE_DONE) status_ = saved;
  return commit(now_us);
}

// ---- Reading

namespace {

/// Goes on behind the last row it gave, so that what comes meanwhile is read, too.
class FileReader final : public HistoryReader {
 public:
  FileReader(std::shared_ptr<History::Impl> history, std::string topic)
      : history_(std::move(history)), topic_(std::move(topic)),
        rows_(history_->prepare("SELECT n, origin, seq, hops, topic, name,"
                                " CASE WHEN topic = ?2 OR ?2 = '*' THEN payload END FROM message WHERE n > ?1 ORDER BY n")) {}

  std::vector<HistoryEntry> next(const Cursor& had, std::size_t count) override {
    std::vector<HistoryEntry> out;
    if (!rows_) return out;
    sqlite3_stmt* row = rows_.get();
    sqlite3_bind_int64(row, 1, last_);
    sqlite3_bind_text64(row, 2, topic_.data(), topic_.size(), SQLITE_STATIC, SQLITE_UTF8);
    std::size_t bytes = 0;
    while (out.size() < count && bytes < kBytesAtOnce && sqlite3_step(row) == SQLITE_ROW) {
      last_ = sqlite3_column_int64(row, 0);
      const MessageId id{as_instance(sqlite3_column_int64(row, 1)), static_cast<Sequence>(sqlite3_column_int64(row, 2))};
      if (had.contains(id)) continue;
      bytes += static_cast<std::size_t>(sqlite3_column_bytes(row, 6));
      out.push_back({id, text_at(row, 5), text_at(row, 4),
                     static_cast<Round>(sqlite3_column_int64(row, 3)), Bytes::copy_of(text_at(row, 6))});
    }
    (void)sqlite3_reset(row);  // a statement at work would keep the log from being carried over
    return out;
  }

 private:
  std::shared_ptr<History::Impl> history_;
  std::string topic_;
  Statement rows_;
  sqlite3_int64 last_ = 0;
};

}  // namespace

// ---- History

History::History(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
History::~History() = default;

Result<std::unique_ptr<History>> History::open(uv_loop_t* loop, const std::string& path, Limits limits, InstanceId self) {
  auto impl = std::make_shared<Impl>(loop, path, limits);
  if (auto opened = impl->open(self); !opened) return opened.error();
  return std::unique_ptr<History>(new History(std::move(impl)));
}

Cursor History::recalled() const {
  Cursor had = impl_->position;
  had.add(impl_->held);
  return had;
}
const std::vector<InstanceId>& History::former_selves() const { return impl_->former_selves; }
void History::add(const Message& message, std::int64_t now_us) { impl_->add(message, now_us); }
Status History::commit(std::int64_t now_us) { return impl_->commit(now_us); }
Status History::save_position(Cursor position, std::int64_t now_us) { return impl_->save_position(std::move(position), now_us); }
std::unique_ptr<HistoryReader> History::read(std::string topic) { return std::make_unique<FileReader>(impl_, std::move(topic)); }
const Cursor& History::held() const { return impl_->held; }
bool History::writable() const { return impl_->writable(); }
std::uint64_t History::messages() const { return impl_->messages; }
std::uint64_t History::bytes() const { return impl_->bytes; }
std::uint64_t History::dropped() const { return impl_->dropped; }

// ---- Checking

Result<std::uint64_t> check_history(const std::string& path) {
  sqlite3* opened = nullptr;
  int status = sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READONLY, nullptr);
  const Database db(opened, sqlite3_close_v2);
  /// Steps to the first row; null: `status` says why not.
  const auto first_row = [&](const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (status == SQLITE_OK) status = sqlite3_prepare_v2(opened, sql, -1, &statement, nullptr);
    Statement row{statement, sqlite3_finalize};
    if (status == SQLITE_OK) status = sqlite3_step(statement);
    const bool there = status == SQLITE_ROW;
    if (there || status == SQLITE_DONE) status = SQLITE_OK;
    if (!there) row.reset();
    return row;
  };
  if (const auto row = first_row("PRAGMA user_version"); row) {
    const int version = sqlite3_column_int(row.get(), 0);
    if (version > kSchema) return {Errc::invalid_argument, "'" + path + "' was written by a later version of this program"};
    if (version == 0) {  // made, and the process was killed before it wrote anything
      const auto any = first_row("SELECT 1 FROM sqlite_schema");
      if (status == SQLITE_OK && !any) return std::uint64_t{0};
      if (status == SQLITE_OK) return {Errc::invalid_argument, "'" + path + "' is a database of another program"};
    }
  }
  if (status == SQLITE_OK) {
    const auto row = first_row("PRAGMA integrity_check(1)");
    std::string found = row ? text_at(row.get(), 0) : "ok";
    std::replace(found.begin(), found.end(), '\n', ' ');
    if (found != "ok") return {Errc::invalid_argument, "'" + path + "': " + found};
  }
  if (status == SQLITE_OK) {
    const auto row = first_row("SELECT value FROM state WHERE key = 'position'");
    if (row) {
      if (const auto position = Cursor::parse(text_at(row.get(), 0)); !position) return position.error().with("'" + path + "'");
    }
  }
  if (status == SQLITE_OK) {
    if (const auto row = first_row("SELECT COUNT(*) FROM message"); row) return static_cast<std::uint64_t>(sqlite3_column_int64(row.get(), 0));
  }
  return failed(opened, path, status);
}

}  // namespace plumvine::uv
