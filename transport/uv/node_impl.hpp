#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <plumvine/node.hpp>

#include "addresses.hpp"
#include "admin.hpp"
#include "atomic_file.hpp"
#include "block_pool.hpp"
#include "client_limiter.hpp"
#include "data_dir.hpp"
#include "diagnosis.hpp"
#include "events.hpp"
#include "http_server.hpp"
#include "keys.hpp"
#include "live.hpp"
#include "mailbox.hpp"
#include "memory_audit.hpp"
#include "metric_history.hpp"
#include "node_history.hpp"
#include "origin_keys_file.hpp"
#include "peers_file.hpp"
#ifdef PLUMVINE_QUIC
#include "quic_layer.hpp"
#endif
#include "tls_files.hpp"
#include "tls_layer.hpp"
#include "transport/driver.hpp"
#include "uv_transport.hpp"

namespace plumvine {

/// A running node: the machinery on its loop (`Core`), and the thread-safe front before it.
///
/// Life: `create` binds and builds everything on the caller's thread; `launch` hands it to the loop. `stop` on the
/// loop thread only marks the node closed and asks for `tear_down` in a later turn, when no frame of ours is on the
/// stack; other threads ask for that and wait. The object keeps itself alive until `tear_down` is done.
class Node::Impl final : public uv::AdminHost, public std::enable_shared_from_this<Impl> {
 public:
  Impl(Config config, Handlers handlers);
  ~Impl() override;

  /// Builds a node on `loop`, or on a loop of its own where that is null.
  static Result<std::shared_ptr<Impl>> create(uv_loop_t* loop, Config config, Handlers handlers);

  /// `on_receipt`, called on the loop thread, gets the receipt in place of the user's handler.
  [[nodiscard]] Compression compression_of(std::string_view topic) const;
  Result<MessageId> broadcast(std::string_view topic, Bytes payload, BroadcastOptions options,
                              std::function<void(const Receipt&)> on_receipt = {});
  Result<Receipt> broadcast_and_wait(std::string_view topic, Bytes payload, BroadcastOptions options);
  Status send(std::string_view member, Bytes payload, Duration wait);
  Status join_seeds(const std::vector<std::string>& seeds);
  Status leave_cluster(Duration deadline);
  Status rejoin_cluster();
  Status forget_member(std::string_view name);
  Status promote_peer(std::string_view peer);
  Result<TrimReport> trim_caches();
  Result<Cursor> cursor();
  Result<KeyReport> keys_and_wait(KeyOrder order);
  Result<Config::Changes> reload(const Config& fresh);
  /// The snapshot by the thresholds in force. Any thread.
  HealthReport judge(const Snapshot& snapshot);
  void stop();
  /// The last owner goes.
  void abandon();
  /// Runs `change` on the driver and waits for its answer.
  Status change(std::function<Status(Driver&)> change);
  Status post(std::function<void(Driver&)> command);
  std::shared_ptr<const Snapshot> snapshot();

  [[nodiscard]] const std::string& name() const { return config_.name; }
  [[nodiscard]] InstanceId instance() const { return identity_.instance; }
  [[nodiscard]] Endpoint address() const { return identity_.advertise; }
  [[nodiscard]] Endpoint bind_address() const { return bind_address_; }
  [[nodiscard]] Endpoint http_address() const { return http_address_; }

  // AdminHost
  [[nodiscard]] const uv::Token* token() const override { return &token_; }
  Status block(std::string_view what, std::optional<Duration> left) override;
  Status unblock(std::string_view what) override;
  std::shared_ptr<const Snapshot> fresh_snapshot() override;
  const Config& config() const override { return config_; }
  [[nodiscard]] Config config_in_force() const override;
  Result<MessageId> publish(std::string_view topic, Bytes payload, BroadcastOptions options,
                            std::function<void(const Receipt&)> on_receipt) override {
    return broadcast(topic, std::move(payload), options, std::move(on_receipt));
  }
  Status join(std::vector<std::string> seeds) override { return join_seeds(seeds); }
  Status leave() override { return leave_cluster(Duration::zero()); }
  Status rejoin() override { return rejoin_cluster(); }
  Status forget(std::string_view name) override { return forget_member(name); }
  Status promote(std::string_view peer) override { return promote_peer(peer); }
  Result<TrimReport> trim() override { return trim_caches(); }
  Status resync(std::string_view peer) override {
    return change([peer = std::string(peer)](Driver& driver) { return driver.resync(peer); });
  }
  [[nodiscard]] std::optional<Timestamp> digest_at(std::string_view peer) const override { return core_->driver.digest_at(peer); }
  void ask(uv::Asking kind, const std::string& text, Duration timeout, std::function<void(Answered)> done) override;
  [[nodiscard]] std::string own_answer(uv::Asking kind, std::string_view text) override;
  void doubt(const std::vector<std::string>& members) override;
  void check_reach(const std::string& member, std::function<void(std::optional<ReachCheck>)> done) override;
  [[nodiscard]] std::vector<TreeId> trees_of(std::string_view topic) const override;
  Result<MessageId> probe(Bytes payload, Duration timeout, std::function<void(const Receipt&)> on_receipt) override;
  uv::Events& events() override { return *events_; }
  const uv::MetricHistory& metric_history() const override { return core_->metric_history; }
  void order_keys(KeyOrder order, std::function<void(Result<KeyReport>)> done) override;
  void subscribe(uv::Subscriber subscriber, uv::ReadFrom from) override;
  [[nodiscard]] bool in_history(const MessageId& id) const override { return core_->history->has(id); }
  void watch(std::shared_ptr<uv::HttpStream> viewer, std::string_view after) override;

 private:
  /// What lives on the loop. Destroyed there.
  struct Core {
    uv::UvLoop loop;
    uv::UvTransport transport;
    uv::Admin admin;
    uv::AtomicFile keyring_file;  ///< without a path: changed keys are not kept
    std::unique_ptr<uv::TlsLayer> tls;  ///< between sockets and driver; null: TLS is off
#ifdef PLUMVINE_QUIC
    std::unique_ptr<uv::QuicLayer> quic;  ///< between that and the driver; null: links go over TCP
#endif
    Driver driver;
    std::unique_ptr<uv::HttpServer> http;
    uv::Handle<uv_timer_t> tls_watcher;
    std::unique_ptr<uv::AtomicFile> key_history_file;  ///< null: nor is what they replaced
    std::unique_ptr<uv::AtomicFile> blocks_file;   ///< null: blocks are not kept
    std::unique_ptr<uv::OriginKeysFile> origin_keys_file;  ///< null: keys of those who sign are not kept
    std::unique_ptr<uv::PeersFile> peers_file;     ///< null: members are not remembered
    std::unique_ptr<uv::NodeHistory> history;
    uv::MetricHistory metric_history;
    uv::MemoryAudit memory_audit;
    uv::ClientLimiter clients;
    uv::Handle<uv_timer_t> sampler;
    uv::Handle<uv_timer_t> teller;  ///< runs while somebody looks at the dashboard

    Core(Impl& node, uv_loop_t* uv_loop, uv::BoundPair bound);
    /// What the driver sends by.
    [[nodiscard]] Transport& top();
    /// Puts the layers together, and lets the lowest one listen.
    Status start();
  };
  Status prepare();
  Status prepare_keys();
  Status prepare_origin(std::uint64_t random);
  void recall_origin_keys();
  Status prepare_tls();
  Status prepare_token();
  void take_token(uv::Token token);
  /// Blocks of the last run. Nothing here stops a start.
  void recall_blocks();
  void save_blocks();
  std::unique_ptr<uv::TlsLayer> make_tls(Core& core);
  /// Binds the port of QUIC, if links are to go over it.
  Status prepare_quic(const Endpoint& where, bool ephemeral);
#ifdef PLUMVINE_QUIC
  std::unique_ptr<uv::QuicLayer> make_quic(Core& core);
#endif
  /// Looks whether a file of TLS has changed, and takes it over if it is good.
  void watch_tls();
  void take_tls(const std::shared_ptr<const tls::Credentials>& credentials);
  void check_files();
  void recall_peers();
  void recall_key_history();
  Status open_history();
  std::vector<uv::KnownPeer> living_peers();
  void note_member(const MemberEvent& event);
  Status build(uv::BoundPair bound);
  void begin();
  void dismantle();
  Status launch();
  void run_thread();
  void run_own_loop();

  [[nodiscard]] bool on_loop_thread() const;
  void on_mail();
  void begin_close();
  void keys_done(std::uint64_t ticket, Result<KeyReport> report);
  void receipted(const Receipt& receipt, const std::function<void(const Receipt&)>& user);
  void direct_done(std::uint64_t ticket, const Status& status);
  void tear_down();
  Handlers wrapped_handlers();
  std::map<std::string, std::function<Verdict(const Message&)>, std::less<>> timed_validators();
  /// A topic that users may publish on, or a reserved one of ours.
  Result<MessageId> broadcast_checked(std::string_view topic, Bytes payload, BroadcastOptions options,
                                      std::function<void(const Receipt&)> on_receipt);
  void answered(Answered answers);
  void on_question(const Question& question);
  void checked(const ReachCheck& found);
  Config driver_config();
  [[nodiscard]] LogLevel driver_log_level() const;
  Status take_over(Driver& driver, const Config& fresh, const uv::KeySource& keys,
                   const std::shared_ptr<const tls::Credentials>& credentials, uv::Token& token, Config::Changes& changes);
  template <class Event>
  std::function<void(const Event&)> timed(const char* name, std::function<void(const Event&)> handler);
  void observe_handler(const char* handler, std::uint64_t started_ns, std::uint32_t calls = 1);
  void take_message(const Message& message);
  void take_messages(std::span<const Message> messages);
  void time_told();
  uv::HttpResponse serve(const uv::HttpRequest& request);
  std::shared_ptr<const Snapshot> make_snapshot();
  /// Tells those who look at the dashboard how things are.
  void tell_viewers();
  /// Notes the metrics, the memory, and what has changed about health.
  void sample();
  [[nodiscard]] MemoryStats memory(const Snapshot& snapshot) const;
  void tell_health(const HealthReason& reason, bool begins);
  void tell(EventKind kind, const LogRecord& record);
  void log(LogLevel level, std::string_view code, std::string text, LogFields fields = {});
  /// A line for the log, if that wants it, and for the events, if its code makes it one.
  void tell(const LogRecord& record);

  Config config_;  ///< what can change does so on the loop thread, under `mutex_`
  Handlers handlers_;
  DriverIdentity identity_;
  std::string advertise_reason_;
  std::unique_ptr<uv::DataDir> data_dir_;
  std::string keyring_path_;  ///< until the loop takes it
  uv::Fd quic_socket_;             ///< until the layer has it
  std::uint16_t quic_port_ = 0;    ///< 0: links go over TCP
  std::shared_ptr<const tls::Credentials> tls_credentials_;  ///< those in use; null: TLS is off
  std::unique_ptr<uv::TlsWatch> tls_watch_;
  uv::Token token_;  ///< loop thread only, once the node runs
  std::string tls_problem_;  ///< why changed files were not taken over
  std::vector<uv::KnownPeer> recalled_;
  std::unique_ptr<uv::History> history_file_;  ///< until the loop takes it
  std::vector<LogRecord> notes_;  ///< of the preparation, for the log
  std::uint16_t seed_port_ = 7946;
  Endpoint bind_address_;
  Endpoint http_address_;
  uv::BlockPool blocks_;
  uv::Mailbox mailbox_;
  /// Calls of `on_message` that are timed together; the first one began then.
  static constexpr std::uint32_t kTimedTogether = 16;
  std::uint32_t told_ = 0;
  std::uint64_t told_from_ns_ = 0;

  // The loop. `own_loop_` and `thread_` only where the user brought none.
  uv_loop_t* loop_ = nullptr;
  std::unique_ptr<uv_loop_t> own_loop_;
  std::thread thread_;
  std::atomic<std::thread::id> loop_thread_{};
  std::unique_ptr<Core> core_;            ///< loop thread only
  std::unique_ptr<uv::Events> events_;    ///< from the preparation on, where HTTP is served; loop thread only
  std::unique_ptr<uv::Live> live_;        ///< as long as the events
  std::shared_ptr<Impl> self_;            ///< set while the loop holds on to us
  std::map<std::uint64_t, std::function<void(Result<KeyReport>)>> key_orders_;  ///< by ticket
  std::uint64_t key_tickets_ = 0;
  std::map<Sequence, std::function<void(const Receipt&)>> receipts_;  ///< those that do not go to the user's handler
  std::map<std::uint64_t, std::function<void(const Status&)>> directs_;  ///< by ticket
  std::uint64_t direct_tickets_ = 0;
  std::map<std::uint64_t, std::function<void(Answered)>> inquiries_;  ///< by number
  std::uint64_t inquiry_numbers_ = 0;
  std::multimap<std::string, std::function<void(std::optional<ReachCheck>)>> reach_checks_;  ///< by member
  std::shared_ptr<const Snapshot> turn_snapshot_;
  std::map<std::string, HealthReason> reasons_;  ///< of the last sample, by code
  bool closing_ = false;                  ///< loop thread only

  // Shared with other threads.
  std::atomic<bool> stop_wanted_{false};
  std::atomic<bool> left_{false};
  std::atomic<std::uint32_t> receipts_open_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;                   ///< `tear_down` is done
  bool leave_done_ = false;
  bool snapshot_wanted_ = false;
  std::shared_ptr<const Snapshot> published_;
  std::int64_t published_ns_ = 0;
  std::mutex join_mutex_;
};

}  // namespace plumvine
