#include "node_impl.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include <plumvine/detail/check.hpp>
#include <plumvine/uv.hpp>

#include "blocks_file.hpp"
#include "large_block.hpp"
#include "transport/codes.hpp"
#include "transport/crypto/gnutls_aead.hpp"
#include "transport/event_bridge.hpp"

namespace plumvine {
namespace {

constexpr std::int64_t kSnapshotAgeNs = 250'000'000;
constexpr std::string_view kKeyHistoryFile = "key-history.json";

frame::BlockSource block_source(const uv::BlockPool& pool) {
  return [pool](std::size_t bytes) { return pool.take(bytes); };
}

Status check(const Config& config) {
  std::string all;
  for (const auto& problem : config.validate()) all += (all.empty() ? "" : "; ") + problem.field + ": " + problem.message;
  if (all.empty()) return {};
  return {Errc::invalid_config, all};
}

std::uint64_t random_number() {
  std::uint64_t number = 0;
  while (number == 0) {
    if (getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number)) number = 0;
  }
  return number;
}

}  // namespace

Node::Impl::Core::Core(Impl& node, uv_loop_t* uv_loop, uv::BoundPair bound)
    : loop(uv_loop), transport(loop, std::move(bound)), admin(node), keyring_file(uv_loop, std::move(node.keyring_path_)),
      tls(node.make_tls(*this)),
#ifdef PLUMVINE_QUIC
      quic(node.make_quic(*this)),
#endif
      driver(node.driver_config(), node.identity_, loop, top(), node.wrapped_handlers(),
             DriverHooks{.on_acked = [&node](const tree::Acked& acked) { node.mailbox_.acked(acked.up_to, acked.large_up_to); },
                         .on_leave_done =
                             [&node] {
                               const std::lock_guard lock{node.mutex_};
                               node.leave_done_ = true;
                               node.changed_.notify_all();
                             },
                         .on_bridge =
                             [&node](Bytes message) {
                               return node.mailbox_.publish({.topic = std::string(kSerfTopic), .payload = std::move(message)}, Duration{0}).has_value();
                             },
                         .save_keys =
                             [&node](const std::vector<Bytes>& keys) {
                               node.core_->keyring_file.save(uv::format_keyring(keys), [&node](const Status& status) {
                                 node.core_->driver.keys_saved(status);
                               });
                             },
                         .save_key_history =
                             [&node](const KeyHistory& known) {
                               if (!node.core_->key_history_file) return;
                               node.core_->key_history_file->save(uv::format_key_history(known), [&node](const Status& status) {
                                 if (!status) node.log(LogLevel::warn, code::kDataNotKept, "What changed keys replaced is not kept: " + status.error().message);
                               });
                             },
                         .on_keys_done =
                             [&node](std::uint64_t ticket, Result<KeyReport> report) { node.keys_done(ticket, std::move(report)); },
                         .on_direct_done = [&node](std::uint64_t ticket, const Status& status) { node.direct_done(ticket, status); },
                         .on_question = [&node](const Question& question) { node.on_question(question); },
                         .on_answered = [&node](Answered answers) { node.answered(std::move(answers)); },
                         .on_told = [&node] { node.time_told(); },
                         .on_checked = [&node](const ReachCheck& found) { node.checked(found); }}),
      memory_audit(node.config_), clients(node.config_) {
  loop.bind(&driver);
  loop.on_turn([this, &node] {
    node.turn_snapshot_.reset();
    if (origin_keys_file) origin_keys_file->look(driver.origin_keys_version());
    if (!history) return;
    const std::uint64_t started_ns = uv_hrtime();
    if (!history->end_turn()) return;
    const std::uint64_t ns = uv_hrtime() - started_ns;
    loop.spent("the message store (data_dir)", ns);
    loop.carve(LoopPhase::store, ns);
    driver.loop_stats().operation(LoopOperation::store, static_cast<double>(ns) / 1e9);
  });
  history = std::make_unique<uv::NodeHistory>(uv_loop, driver, std::move(node.history_file_), node.identity_.instance, [&node](std::string why) {
    node.log(LogLevel::warn, code::kDataNotKept, "Messages are not kept: " + std::move(why));
  });
  if (node.data_dir_) {
    key_history_file = std::make_unique<uv::AtomicFile>(uv_loop, node.data_dir_->file(kKeyHistoryFile));
    blocks_file = std::make_unique<uv::AtomicFile>(uv_loop, node.data_dir_->file(uv::kBlocksFile));
    if (node.config_.tree.sign_origins != SignOrigins::off) {
      origin_keys_file = std::make_unique<uv::OriginKeysFile>(
          uv_loop, node.data_dir_->file(uv::kOriginKeysFile), node.config_.cluster, [this] { return driver.origin_keys(); },
          [&node](std::string why) { node.log(LogLevel::warn, code::kDataNotKept, "Keys of those who sign are not kept: " + std::move(why)); });
    }
    peers_file = std::make_unique<uv::PeersFile>(
        uv_loop, node.data_dir_->file("peers.json"), node.config_.cluster, node.recalled_, [&node] { return node.living_peers(); },
        [&node](std::string why) { node.log(LogLevel::warn, code::kDataNotKept, "Members are not remembered: " + std::move(why)); });
  }
}

Node::Impl::Impl(Config config, Handlers handlers)
    : config_(std::move(config)), handlers_(std::move(handlers)), mailbox_(config_, block_source(blocks_)) {}

Node::Impl::~Impl() = default;

Result<std::shared_ptr<Node::Impl>> Node::Impl::create(uv_loop_t* loop, Config config, Handlers handlers) {
  if (auto good = check(config); !good) return good.error();
  if (handlers.on_message && handlers.on_messages) return Error{Errc::invalid_argument, "on_message and on_messages are both set; set one of them"};
  auto node = std::make_shared<Impl>(std::move(config), std::move(handlers));
  node->loop_ = loop;
  if (auto prepared = node->prepare(); !prepared) return prepared.error();
  if (auto launched = node->launch(); !launched) return launched.error();
  return node;
}

/// Everything that can fail, in an order that leaves nothing behind: sockets first, then handles.
Status Node::Impl::prepare() {
  if (!config_.data_dir.empty()) {
    auto opened = uv::DataDir::open(config_.data_dir);
    if (!opened) return opened.error();
    data_dir_ = std::move(*opened);
    if (const std::string& why = data_dir_->read_only(); !why.empty())
      notes_.push_back({LogLevel::warn, "node", code::kDataNotKept, why + "; nothing is kept"});
    recall_peers();
    recall_blocks();
  }
  if (auto good = prepare_token(); !good) return good;
  if (auto keyed = prepare_keys(); !keyed) return keyed;
  if (auto good = prepare_tls(); !good) return good;
  check_files();
  auto where = uv::bind_address(config_.bind);
  if (!where) return where.error();
  auto bound = uv::bind_pair(*where, static_cast<int>(config_.link.accept_backlog));
  if (!bound) return bound.error();
  if (auto good = prepare_quic(bound->address, where->port == 0); !good) return good;
  auto advertised = uv::choose_advertised(config_.advertise, bound->address);
  if (!advertised) return advertised.error();
  const auto& allowed = config_.swim.cidrs_allowed;
  if (!allowed.empty() && std::none_of(allowed.begin(), allowed.end(), [&](const Network& n) { return n.contains(advertised->endpoint); })) {
    return {Errc::invalid_argument, "cidrs_allowed: our own address " + advertised->endpoint.host() +
                                        " is in none of them; add its network, or set advertise"};
  }
  if (where->port != 0) seed_port_ = where->port;
  for (const std::string& seed : config_.seeds)
    if (auto parsed = HostPort::parse(seed); !parsed) return parsed.error().with("seeds");
  bind_address_ = bound->address;
  advertise_reason_ = advertised->reason;
  if (auto good = prepare_origin(random_number()); !good) return good;
  if (!config_.http.empty()) {
    events_ = std::make_unique<uv::Events>(identity_.instance);
    live_ = std::make_unique<uv::Live>(*events_);
  }
  identity_.advertise = advertised->endpoint;
  identity_.seed = config_.seed != 0 ? config_.seed : random_number();

  if (loop_ == nullptr) {
    own_loop_ = std::make_unique<uv_loop_t>();
    if (const int status = uv_loop_init(own_loop_.get()); status < 0) {
      own_loop_.reset();
      return Error{Errc::system, uv_strerror(status)}.with("event loop");
    }
    loop_ = own_loop_.get();
  }
  auto built = open_history();
  if (built) built = build(std::move(*bound));
  if (!built) dismantle();
  return built;
}

Status Node::Impl::prepare_keys() {
  auto source = uv::find_keys(config_.encrypt, config_.keyring, config_.data_dir);
  if (!source) return source.error();
  auto ring = make_keyring(source->keys);
  if (!ring) return ring.error().with("keyring");
  identity_.keyring = std::move(*ring);
  identity_.large = {gmac_checksum, uv::large_block};
  identity_.blocks = block_source(blocks_);
  identity_.keeps_keys = !source->file.empty();
  if (auto problem = uv::rights_problem(source->file); !problem.empty())
    notes_.push_back({LogLevel::warn, "node", code::kKeysReadable, std::move(problem)});
  keyring_path_ = std::move(source->file);
  recall_key_history();
  if (source->broken) {
    notes_.push_back({LogLevel::warn, "node", code::kDataBroken, source->note + "; " + data_dir_->set_aside("keyring.json")});
  } else if (!source->note.empty()) {
    notes_.push_back({LogLevel::info, "node", code::kKeptKeys, source->note});
  }
  return {};
}

/// Whether so many files may be open as the bounds of the configuration allow connections, and what else a node needs.
void Node::Impl::check_files() {
  constexpr std::uint64_t kOthers = 64;  // the service's own, the data directory, the loop
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return;
  const std::uint64_t wanted = kOthers + config_.tree.max_peers + config_.link.half_open_max + config_.link.parallel_dials +
                               (config_.http.empty() ? 0 : uv::HttpServer::Limits{}.connections_max) +
                               (identity_.tls && !has_keys(identity_) ? tls::TlsTransport::kPacketStreamsMax : 0);
  if (files.rlim_cur >= wanted) return;
  notes_.push_back({LogLevel::warn, "node", code::kFewFiles,
                    "This process may open " + std::to_string(files.rlim_cur) + " files, its bounds allow for " + std::to_string(wanted) +
                        ": raise the limit (ulimit -n, LimitNOFILE)"});
}

/// What the last run knew of keys that were replaced. Nothing here stops a start.
void Node::Impl::recall_key_history() {
  if (!data_dir_) return;
  const std::string path = data_dir_->file(kKeyHistoryFile);
  auto history = uv::read_key_history(path);
  if (history) identity_.key_history = std::move(*history);
  else
    notes_.push_back({LogLevel::warn, "node", code::kDataBroken,
                      "'" + path + "' cannot be understood: " + history.error().message + "; " + data_dir_->set_aside(kKeyHistoryFile)});
}

/// Members of the last run. Nothing here stops a start.
void Node::Impl::recall_peers() {
  constexpr std::size_t kFileMax = std::size_t{32} << 20;
  const std::string path = data_dir_->file("peers.json");
  const auto text = uv::read_file(path, kFileMax);
  if (!text && text.error().code == Errc::not_found) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  auto peers = text ? uv::parse_peers(*text, config_.cluster, config_.swim.members_max,
                                      std::chrono::duration_cast<std::chrono::seconds>(now).count())
                    : Result<std::vector<uv::KnownPeer>>{text.error()};
  if (peers) {
    recalled_ = std::move(*peers);
    for (const auto& peer : recalled_)
      if (peer.name != config_.name) identity_.known_peers.emplace_back(peer.name, peer.endpoint);
    if (!identity_.known_peers.empty())
      notes_.push_back({LogLevel::info, "node", code::kRecalled,
                        "Asking " + std::to_string(identity_.known_peers.size()) + " members known from '" + path + "'"});
  } else if (peers.error().code == Errc::not_found) {
    notes_.push_back({LogLevel::info, "node", code::kRecalled, "Not using '" + path + "': " + peers.error().message});
  } else {
    notes_.push_back({LogLevel::warn, "node", code::kDataBroken, "'" + path + "' cannot be understood: " + peers.error().message +
                                                           "; " + data_dir_->set_aside("peers.json")});
  }
}

/// The messages of the last run, and where delivery goes on. Of what is on the disk nothing stops a start.
Status Node::Impl::open_history() {
  auto from = uv::read_from(config_.start_from);
  if (!from) return from.error().with("start_from");
  const auto mode = from->kind == uv::ReadFrom::Kind::now      ? TreeStart::Mode::now
                    : from->kind == uv::ReadFrom::Kind::window ? TreeStart::Mode::window
                                                               : TreeStart::Mode::cursor;
  identity_.start = {mode, std::move(from->had), {}};
  if (!data_dir_ || !data_dir_->read_only().empty() || config_.history_max_bytes == 0) return {};
  const std::string path = data_dir_->file("messages.db");
  const uv::History::Limits limits{config_.history_max_bytes, config_.history_window};
  auto opened = uv::History::open(loop_, path, limits, identity_.instance);
  if (!opened && opened.error().code == Errc::invalid_argument) {
    std::string where = data_dir_->set_aside("messages.db");
    for (const char* companion : {"messages.db-wal", "messages.db-shm"}) (void)data_dir_->set_aside(companion);
    notes_.push_back({LogLevel::warn, "node", code::kDataBroken, opened.error().message + "; " + std::move(where)});
    opened = uv::History::open(loop_, path, limits, identity_.instance);
  }
  if (!opened) {
    notes_.push_back({LogLevel::warn, "node", code::kDataNotKept, "Messages are not kept: " + opened.error().message});
    return {};
  }
  history_file_ = std::move(*opened);
  identity_.start.own = history_file_->former_selves();
  Cursor had = history_file_->recalled();
  if (had.empty()) return {};
  notes_.push_back({LogLevel::info, "node", code::kRecalled, "Going on behind the last run; " + std::to_string(history_file_->messages()) +
                                                                 " messages are kept in '" + path + "'"});
  identity_.start.mode = TreeStart::Mode::cursor;
  identity_.start.had = std::move(had);
  return {};
}

std::vector<uv::KnownPeer> Node::Impl::living_peers() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t now_s = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  std::vector<uv::KnownPeer> peers;
  const auto snapshot = core_->driver.make_snapshot();
  for (const MemberInfo& info : snapshot->members) {
    const bool there = info.member.state == MemberState::alive || info.member.state == MemberState::suspect;
    if (!info.self && there) peers.push_back({info.member.name, info.member.endpoint(), now_s});
  }
  return peers;
}

void Node::Impl::note_member(const MemberEvent& event) {
  if (!core_ || !core_->peers_file) return;
  if (event.kind == MemberEvent::Kind::forgotten || event.kind == MemberEvent::Kind::left) core_->peers_file->forgotten(event.member.name);
  else core_->peers_file->changed();
}

/// Undoes `build`. On a user's loop the handles are gone after its next turns.
void Node::Impl::dismantle() {
  core_.reset();
  mailbox_.detach();
  if (own_loop_) run_own_loop();
}

Status Node::Impl::build(uv::BoundPair bound) {
  // The HTTP address is tried before any handle exists: on a user's loop closing one takes a turn.
  std::unique_ptr<uv::HttpServer> http;
  if (!config_.http.empty()) {
    uv::HttpServer::Limits limits;
    limits.body_max = config_.tree.max_message_size;
    limits.stream_queue_max = std::max<std::size_t>(limits.stream_queue_max, 4 * config_.tree.max_message_size);
    auto listening = uv::HttpServer::listen(
        loop_, config_.http, limits, [this](const uv::HttpRequest& request) { return serve(request); },
        [this](const std::string& path, int status) { core_->admin.observe(path, status); });
    if (!listening) return listening.error();
    http = std::move(*listening);
    http_address_ = http->address();
  }
  core_ = std::make_unique<Core>(*this, loop_, std::move(bound));
  core_->http = std::move(http);
  core_->transport.use_family(config_.ip_family);
  core_->transport.admit([this](const Endpoint& from) { return core_->driver.admits(from); });
  if (auto started = core_->start(); !started) return started;
  if (auto opened = mailbox_.open(loop_, [this] { on_mail(); }); !opened) return opened;
  auto first = std::make_shared<Snapshot>();
  first->version = PLUMVINE_VERSION;
  first->name = config_.name;
  first->instance = identity_.instance;
  first->address = identity_.advertise;
  first->not_ready_reason = "starting";
  published_ = std::move(first);
  core_->loop.soon([this] { begin(); });
  return {};
}

Status Node::Impl::launch() {
  self_ = shared_from_this();
  if (!own_loop_) {
    loop_thread_ = std::this_thread::get_id();
    return {};
  }
  // Signals are the application's: our thread takes none.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Status status;
  try {
    thread_ = std::thread([node = shared_from_this()] { node->run_thread(); });
  } catch (const std::system_error& refused) {
    status = Error{Errc::system, refused.what()}.with("thread");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!status) {
    self_.reset();
    dismantle();
  }
  return status;
}

void Node::Impl::run_thread() {
  pthread_setname_np(pthread_self(), "plumvine");
  loop_thread_ = std::this_thread::get_id();
  run_own_loop();
  loop_thread_ = std::thread::id{};  // the system may give our number to another thread
}

void Node::Impl::run_own_loop() {
  (void)uv_run(own_loop_.get(), UV_RUN_DEFAULT);
  PLUMVINE_CHECK(uv_loop_close(own_loop_.get()) == 0, "a handle was left open on the node's own loop");
}

/// First turn on the loop.
void Node::Impl::begin() {
  if (closing_) return;
  for (LogRecord& note : std::exchange(notes_, {})) log(note.level, note.code, std::move(note.text));
  log(LogLevel::info, "PV1501", "Advertising " + identity_.advertise.to_string() + " (" + advertise_reason_ + ")");
  if (auto warning = uv::loopback_warning(identity_.advertise, config_.seeds); !warning.empty())
    log(LogLevel::warn, "PV1503", std::move(warning));
  if (quic_port_ != 0) log(LogLevel::info, code::kQuicListening, "Links go over QUIC on UDP port " + std::to_string(quic_port_));
  if (http_address_.port != 0) log(LogLevel::info, "PV1502", "Serving HTTP on " + http_address_.to_string());
  core_->driver.start();
  if (core_->tls) {
    (void)core_->tls_watcher.init(this, [this](uv_timer_t* timer) { return uv_timer_init(loop_, timer); });
    (void)uv_timer_start(core_->tls_watcher.get(), [](uv_timer_t* timer) { uv::self<Impl>(timer)->watch_tls(); }, uv::TlsWatch::kIntervalMs,
                         uv::TlsWatch::kIntervalMs);
  }
  if (!events_) return;  // nobody could read what is noted
  (void)core_->sampler.init(this, [this](uv_timer_t* timer) { return uv_timer_init(loop_, timer); });
  (void)uv_timer_start(core_->sampler.get(), [](uv_timer_t* timer) { uv::self<Impl>(timer)->sample(); }, uv::MetricHistory::kIntervalMs,
                       uv::MetricHistory::kIntervalMs);
  (void)core_->teller.init(this, [this](uv_timer_t* timer) { return uv_timer_init(loop_, timer); });
}

bool Node::Impl::on_loop_thread() const { return loop_thread_.load() == std::this_thread::get_id(); }

void Node::Impl::on_mail() {
  if (stop_wanted_) return begin_close();
  const uv::Turns::Span span{core_->loop.meter(), LoopPhase::mailbox};
  const std::uint64_t started_ns = uv_hrtime();
  auto items = mailbox_.take();
  LoopStats& stats = core_->driver.loop_stats();
  for (auto& item : items) {
    if (auto* message = std::get_if<uv::Mailbox::Publish>(&item)) {
      const std::int64_t waited_ns = static_cast<std::int64_t>(started_ns) - message->at.ns;
      stats.mailbox_wait.observe(static_cast<double>(std::max<std::int64_t>(0, waited_ns)) / 1e9, message->count);
      if (closing_) {
        if (message->on_receipt) message->on_receipt(Receipt{});
        continue;
      }
      if (message->on_receipt) receipts_.emplace(message->sequence, std::move(message->on_receipt));
      core_->driver.publish(message->sequence, std::move(message->topic), std::move(message->payload), message->acks);
    } else {
      std::get<uv::Mailbox::Command>(item)(!closing_);
    }
  }
  if (!items.empty()) stats.operation(LoopOperation::mailbox, static_cast<double>(uv_hrtime() - started_ns) / 1e9);
  if (closing_) return;
  bool wanted = false;
  {
    const std::lock_guard lock{mutex_};
    wanted = std::exchange(snapshot_wanted_, false);
  }
  if (wanted) (void)make_snapshot();
  if (mailbox_.take_writable() && handlers_.on_writable) {
    const std::uint64_t called_ns = uv_hrtime();
    handlers_.on_writable();
    observe_handler("handler on_writable", called_ns);
  }
}

void Node::Impl::begin_close() {
  if (std::exchange(closing_, true)) return;
  stop_wanted_ = true;
  if (core_->peers_file) core_->peers_file->finish();
#ifdef PLUMVINE_QUIC
  if (core_->quic) core_->quic->finish();
#endif
  if (core_->origin_keys_file) core_->origin_keys_file->finish();
  core_->history->finish();
  core_->driver.stop();
  mailbox_.close();
  core_->loop.soon([node = shared_from_this()] { node->tear_down(); });
}

void Node::Impl::tear_down() {
  core_->http.reset();
  core_->history.reset();
  for (auto& [ticket, done] : std::exchange(key_orders_, {})) done(Error{Errc::stopped, "the node was stopped"});
  for (auto& [ticket, done] : std::exchange(directs_, {})) done(Error{Errc::stopped, "the node was stopped"});
  for (auto& [number, done] : std::exchange(inquiries_, {})) done({});
  for (auto& [member, done] : std::exchange(reach_checks_, {})) done(std::nullopt);
  for (auto& [sequence, done] : std::exchange(receipts_, {})) done(Receipt{});
  turn_snapshot_.reset();
  core_.reset();
  mailbox_.detach();
  handlers_ = {};  // an observer may keep us; what the handlers hold must not live on with it
  const auto keep = std::move(self_);
  const std::lock_guard lock{mutex_};
  closed_ = true;
  changed_.notify_all();
}

void Node::Impl::stop() {
  if (on_loop_thread()) {
    if (core_) begin_close();
    return;
  }
  stop_wanted_ = true;
  mailbox_.wake();
  if (own_loop_) {
    const std::lock_guard lock{join_mutex_};
    if (thread_.joinable()) thread_.join();
    return;
  }
  // A loop of the user's may not be turning; it will find the request when it does.
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, config_.stop_timeout, [&] { return closed_; });
}

void Node::Impl::abandon() {
  stop();
  const std::lock_guard lock{join_mutex_};
  if (thread_.joinable()) thread_.detach();  // we are on it; it ends by itself
}

Result<Config::Changes> Node::Impl::reload(const Config& fresh) {
  if (auto good = check(fresh); !good) return good.error();
  auto source = uv::find_keys(fresh.encrypt, fresh.keyring, config_.data_dir);
  if (!source) return source.error();
  if (source->broken) return Error{Errc::invalid_argument, source->note};
  std::shared_ptr<const tls::Credentials> credentials;
  if (fresh.tls_cert.empty() == identity_.tls)
    return Error{Errc::invalid_argument, "tls_cert: TLS is turned on and off by a restart only"};
  if (identity_.tls) {
    Config named = fresh;  // a name and a label change by a restart only
    named.name = config_.name;
    named.cluster = config_.cluster;
    auto loaded = uv::load_tls(named);
    if (!loaded) return loaded.error();
    credentials = std::move(*loaded);
  }
  auto token = std::make_shared<uv::Token>();
  if (!fresh.http_token_file.empty()) {
    auto read = uv::Token::read(fresh.http_token_file);
    if (!read) return read.error();
    *token = std::move(*read);
  }
  auto changes = std::make_shared<Config::Changes>();
  auto taken = change([this, fresh, source = std::move(*source), credentials = std::move(credentials), token, changes](Driver& driver) {
    return take_over(driver, fresh, source, credentials, *token, *changes);
  });
  if (!taken) return taken.error();
  return std::move(*changes);
}

Status Node::Impl::take_over(Driver& driver, const Config& fresh, const uv::KeySource& keys,
                             const std::shared_ptr<const tls::Credentials>& credentials, uv::Token& token, Config::Changes& changes) {
  Config merged = config_;
  changes = merged.take_over(fresh);
  if (auto good = check(merged); !good) {
    std::string kept;
    for (const std::string& key : changes.need_restart) kept += (kept.empty() ? "" : ", ") + key;
    return good.error().with("together with the keys that need a restart (" + kept + ")");
  }
  const KeyRules rules{fresh.swim.gossip_verify_incoming, fresh.swim.gossip_verify_outgoing, !keys.file.empty()};
  if (auto taken = driver.set_keys(keys.keys, rules); !taken) return taken;
  if (merged.tags != config_.tags)
    if (auto taken = driver.set_tags(merged.tags); !taken) return taken;
  core_->keyring_file.move_to(keys.file);
  const bool other_seeds = merged.seeds != config_.seeds;
  {
    const std::lock_guard lock{mutex_};
    config_.take_over(fresh);
  }
  config_.origins = fresh.origins;
  core_->memory_audit.configure(config_);
  core_->clients.configure(config_);
  take_token(std::move(token));
  driver.configure(driver_config());
  if (credentials) {
    tls_watch_->follow(config_);
    take_tls(credentials);
  }
  return other_seeds && !config_.seeds.empty() ? join_seeds(config_.seeds) : Status{};
}

HealthReport Node::Impl::judge(const Snapshot& snapshot) {
  std::unique_lock lock{mutex_};
  const HealthConfig thresholds = config_.health;
  lock.unlock();
  return assess(snapshot, thresholds);
}

void Node::Impl::subscribe(uv::Subscriber subscriber, uv::ReadFrom from) {
  core_->history->subscribe(std::move(subscriber), std::move(from));
}

Result<Cursor> Node::Impl::cursor() {
  auto cursor = std::make_shared<Cursor>();
  auto asked = change([cursor](Driver& driver) {
    *cursor = driver.position();
    return Status{};
  });
  if (!asked) return asked.error();
  return std::move(*cursor);
}

Config Node::Impl::driver_config() {
  Config config = config_;
  if (quic_port_ != 0) config.quic_port = quic_port_;
  for (std::string& seed : config.seeds) {
    auto parsed = HostPort::parse(seed);
    if (!parsed || parsed->has_port || parsed->srv) continue;
    parsed->port = seed_port_;
    parsed->has_port = true;
    seed = parsed->to_string();
  }
  if (!events_ && !config_.log) return config;
  config.log = [this](const LogRecord& record) { tell(record); };
  config.log_level = driver_log_level();
  return config;
}

/// The machines say what any component wants to hear, and what makes an event whatever the log shows.
LogLevel Node::Impl::driver_log_level() const {
  LogLevel level = events_ ? LogLevel::debug : config_.log_security ? LogLevel::info : LogLevel::error;
  for (const std::string_view component : kLogComponents) level = std::max(level, config_.log_level_of(component));
  return level;
}

std::shared_ptr<const Snapshot> Node::Impl::make_snapshot() {
  const std::uint64_t started_ns = uv_hrtime();
  LoopStats& stats = core_->driver.loop_stats();
  core_->loop.report(stats);
  const auto fill = mailbox_.fill();
  stats.mailbox_messages = fill.messages;
  stats.mailbox_bytes = fill.bytes;
  stats.publish_window_bytes = fill.window;
  stats.publish_delay = fill.delay;
  // Nobody else holds it yet.
  const auto made = std::const_pointer_cast<Snapshot>(core_->driver.make_snapshot());
  made->bounds.push_back({"mailbox_max_bytes", fill.bytes, config_.mailbox_max_bytes});
  made->bounds.push_back({"mailbox_max_messages", fill.messages, config_.mailbox_max_messages});
  made->history = core_->history->info();
  if (auto& tls = made->transport.tls; tls.on) {
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    tls.certificate_left_s = static_cast<double>(tls.certificate_expires_s) - std::chrono::duration<double>(wall).count();
    tls.problem = tls_problem_;
  }
  if (events_) made->events = events_->stats();
  made->recorded_samples = core_->metric_history.samples();
  made->recorded_bytes = core_->metric_history.bytes();
  made->memory = memory(*made);
  if (core_->http) {
    made->http = core_->http->stats();
    made->http.rate_limited = core_->clients.refused();
    made->http.repeated = core_->admin.once().repeated();
    made->http.keys_forgotten = core_->admin.once().forgotten();
    made->http_requests = core_->admin.requests();
  }
  const std::lock_guard lock{mutex_};
  published_ = made;
  const std::uint64_t done_ns = uv_hrtime();
  stats.operation(LoopOperation::snapshot, static_cast<double>(done_ns - started_ns) / 1e9);
  published_ns_ = static_cast<std::int64_t>(done_ns);
  changed_.notify_all();
  return made;
}

std::shared_ptr<const Snapshot> Node::Impl::fresh_snapshot() {
  if (!core_->history) {  // half torn down; questions that are still open end now
    const std::lock_guard lock{mutex_};
    return published_;
  }
  // Once per turn, so that many requests at a time cost one.
  if (!turn_snapshot_) {
    turn_snapshot_ = make_snapshot();
    core_->loop.turns();
  }
  return turn_snapshot_;
}

std::shared_ptr<const Snapshot> Node::Impl::snapshot() {
  const bool inside = on_loop_thread();
  std::unique_lock lock{mutex_};
  const auto now_ns = static_cast<std::int64_t>(uv_hrtime());
  if (closed_ || now_ns - published_ns_ < kSnapshotAgeNs) return published_;
  if (inside) {
    lock.unlock();
    if (core_ && !closing_) return make_snapshot();
    lock.lock();
    return published_;
  }
  // Made only when asked for: an idle node is not woken by its own state. A stalled loop gives the last one.
  snapshot_wanted_ = true;
  lock.unlock();
  mailbox_.wake();
  lock.lock();
  changed_.wait_for(lock, Duration{kSnapshotAgeNs}, [&] { return closed_ || published_ns_ >= now_ns; });
  return published_;
}

}  // namespace plumvine
