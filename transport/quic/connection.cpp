#include "connection.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <plumvine/detail/check.hpp>
#include <utility>

#include "anti_replay.hpp"
#include "handshake.hpp"
#include "ngtcp2.hpp"
#include "stream_buffers.hpp"
#include "transport/tls/alerts.hpp"

namespace plumvine::quic {
namespace {

/// What a packet has at most; where the way takes that is found out (RFC 9000, section 14.3).
constexpr std::size_t kPacketMax = 1452;
/// What a packet with a datagram needs beside it, at most: header, id, number, frame, tag.
constexpr std::size_t kDatagramHead = 64;
constexpr std::size_t kDatagramFrameMax = 1500;
/// Bytes that the system takes in one call.
constexpr std::size_t kCallMax = 64'000;
constexpr std::uint64_t kActiveIds = 7;
constexpr std::uint64_t kDone = 0, kReset = 1;  ///< application error codes

ngtcp2_duration span_of(Duration duration) {
  return static_cast<ngtcp2_duration>(duration.count());
}

}  // namespace

/// The object that the QUIC library calls back.
struct Connection::Library {
  const Common& common;
  CidObserver& observer;
  tls::Role role;
  Handshake handshake;
  ngtcp2_conn* conn = nullptr;

  State state = State::handshaking;
  End end;
  std::int64_t stream = -1;
  SendBuffer out;
  ReceiveBuffer in;
  bool fin_wanted = false;
  bool fin_sent = false;
  bool fin_came = false;
  bool tried_early = false;
  bool early = false;
  bool forgotten = false;                ///< a stateless reset has come
  std::vector<std::string> early_names;  ///< whom the ticket that early data went by remembers
  std::deque<Bytes> datagrams_out;
  std::vector<Bytes> datagrams_in;
  Bytes token;
  Endpoint remote;
  Numbers numbers;
  std::vector<std::uint8_t> last_words;  ///< the packet that ends it
  Path last_path;
  bool say_last = false;
  std::uint32_t came_after = 0;  ///< packets since it was ended
  Timestamp gone_at = kNever;
  Timestamp clock;  ///< of the call in progress

  Library(const Common& shared, CidObserver& watcher, std::shared_ptr<const tls::Credentials> credentials,
          HandshakeOptions options)
      : common(shared), observer(watcher), role(options.role), handshake(std::move(credentials), std::move(options)) {}
  ~Library() {
    if (conn != nullptr) ngtcp2_conn_del(conn);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  [[nodiscard]] bool server() const { return role == tls::Role::server; }
  [[nodiscard]] bool alive() const { return state == State::handshaking || state == State::up; }

  Cid new_cid() const {
    Cid cid;
    cid.size = Cid::kOurs;
    common.random({cid.bytes.data(), cid.size});
    return cid;
  }
  [[nodiscard]] ngtcp2_callbacks callbacks() const;
  [[nodiscard]] ngtcp2_settings settings(Timestamp now, BytesView with_token) const;
  [[nodiscard]] ngtcp2_transport_params params() const;
  void attach(const Path& path);
  bool try_early(const Ticket& ticket);

  // What the library calls.
  int shaken();
  int confirmed();
  int received(std::uint32_t flags, BytesView data);

  void open_stream();
  ngtcp2_ssize write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* to, std::size_t room,
                            Timestamp now);
  void fail(int status, Timestamp now);
  void ended_by_peer(Timestamp now);
  void say_end(const ngtcp2_connection_close_error& error, End why, Timestamp now);
  void stop(State next, End why, Timestamp now);
  void finish_if_done(Timestamp now);
};

namespace {

Connection::Library* self_of(void* user) {
  return static_cast<Connection::Library*>(user);
}

/// What a client must remember of the server's limits to send early data (RFC 9000, section 7.4.1).
struct Limits {
  std::uint64_t streams_bidi, streams_uni, bidi_local, bidi_remote, uni, data, ids, datagram;
};
constexpr std::size_t kLimitsSize = sizeof(Limits);

}  // namespace

ngtcp2_callbacks Connection::Library::callbacks() const {
  ngtcp2_callbacks c{};
  c.client_initial = ngtcp2_crypto_client_initial_cb;
  c.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  c.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  c.encrypt = ngtcp2_crypto_encrypt_cb;
  c.decrypt = ngtcp2_crypto_decrypt_cb;
  c.hp_mask = ngtcp2_crypto_hp_mask_cb;
  c.recv_retry = ngtcp2_crypto_recv_retry_cb;
  c.update_key = ngtcp2_crypto_update_key_cb;
  c.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  c.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  c.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  c.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  c.handshake_completed = [](ngtcp2_conn*, void* user) { return self_of(user)->shaken(); };
  c.handshake_confirmed = [](ngtcp2_conn*, void* user) { return self_of(user)->confirmed(); };
  c.recv_stream_data = [](ngtcp2_conn*, std::uint32_t flags, std::int64_t, std::uint64_t, const std::uint8_t* data,
                          std::size_t size, void* user, void*) {
    return self_of(user)->received(flags, {reinterpret_cast<const std::byte*>(data), size});
  };
  c.acked_stream_data_offset = [](ngtcp2_conn*, std::int64_t, std::uint64_t, std::uint64_t size, void* user, void*) {
    self_of(user)->out.acked(static_cast<std::size_t>(size));
    return 0;
  };
  c.stream_open = [](ngtcp2_conn*, std::int64_t id, void* user) {
    if (self_of(user)->stream < 0) self_of(user)->stream = id;
    return 0;
  };
  c.stream_reset = [](ngtcp2_conn*, std::int64_t, std::uint64_t, std::uint64_t, void*, void*) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  };
  c.rand = [](std::uint8_t* to, std::size_t size, const ngtcp2_rand_ctx* context) {
    static_cast<const Common*>(context->native_handle)->random({reinterpret_cast<std::byte*>(to), size});
  };
  c.get_new_connection_id = [](ngtcp2_conn*, ngtcp2_cid* cid, std::uint8_t* reset_token, std::size_t, void* user) {
    Library& library = *self_of(user);
    const Cid fresh = library.new_cid();
    *cid = to_library(fresh);
    const std::string& secret = library.common.reset_secret;
    if (ngtcp2_crypto_generate_stateless_reset_token(reset_token, raw(as_bytes(secret)), secret.size(), cid) != 0)
      return NGTCP2_ERR_CALLBACK_FAILURE;
    library.observer.cid_added(fresh);
    return 0;
  };
  c.remove_connection_id = [](ngtcp2_conn*, const ngtcp2_cid* cid, void* user) {
    self_of(user)->observer.cid_retired(from_library(*cid));
    return 0;
  };
  c.recv_new_token = [](ngtcp2_conn*, const ngtcp2_vec* fresh, void* user) {
    self_of(user)->token = Bytes::copy_of(BytesView{reinterpret_cast<const std::byte*>(fresh->base), fresh->len});
    return 0;
  };
  c.recv_stateless_reset = [](ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user) {
    self_of(user)->forgotten = true;
    return 0;
  };
  c.path_validation = [](ngtcp2_conn*, std::uint32_t, const ngtcp2_path* path, ngtcp2_path_validation_result result,
                         void* user) {
    Library& library = *self_of(user);
    const Endpoint theirs = LibraryAddress::endpoint(path->remote);
    if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS && library.server() && theirs != library.remote) {
      library.remote = theirs;
      ++library.numbers.migrations;
    }
    return 0;
  };
  c.recv_datagram = [](ngtcp2_conn*, std::uint32_t flags, const std::uint8_t* data, std::size_t size, void* user) {
    Library& library = *self_of(user);
    // A datagram is never safe to be replayed: who knows what is in it.
    if ((flags & NGTCP2_DATAGRAM_FLAG_EARLY) == 0 && library.datagrams_in.size() < kDatagramsMax)
      library.datagrams_in.push_back(Bytes::copy_of(BytesView{reinterpret_cast<const std::byte*>(data), size}));
    else
      ++library.numbers.datagrams_dropped;
    return 0;
  };
  return c;
}

ngtcp2_settings Connection::Library::settings(Timestamp now, BytesView with_token) const {
  ngtcp2_settings s;
  ngtcp2_settings_default(&s);
  s.cc_algo = NGTCP2_CC_ALGO_BBR;
  s.initial_ts = stamp(now);
  s.initial_rtt = span_of(common.initial_rtt);
  s.max_tx_udp_payload_size = kPacketMax;
  s.max_window = kWindowMax;
  s.max_stream_window = kWindowMax;
  s.handshake_timeout = span_of(common.handshake_timeout);
  s.rand_ctx.native_handle = const_cast<Common*>(&common);
  s.token = {const_cast<std::uint8_t*>(raw(with_token)), with_token.size()};
  return s;
}

ngtcp2_transport_params Connection::Library::params() const {
  ngtcp2_transport_params p;
  ngtcp2_transport_params_default(&p);
  p.initial_max_stream_data_bidi_local = kWindow;
  p.initial_max_stream_data_bidi_remote = kWindow;
  p.initial_max_data = kWindow;
  p.initial_max_streams_bidi = server() ? 1 : 0;
  p.max_idle_timeout = span_of(common.idle_timeout);
  p.active_connection_id_limit = kActiveIds;
  p.max_datagram_frame_size = kDatagramFrameMax;
  return p;
}

void Connection::Library::attach(const Path& path) {
  handshake.attach(conn);
  ngtcp2_conn_set_tls_native_handle(conn, handshake.session());
  ngtcp2_conn_set_keep_alive_timeout(conn, span_of(common.keep_alive));
  remote = path.remote;
  last_path = path;
}

/// Early data go by a ticket whose owner would still be taken. The stream is there at once; what is written into it
/// goes with the first packets.
bool Connection::Library::try_early(const Ticket& ticket) {
  const tls::Judgement judgement = common.judge(ticket.chain, tls::Role::server);
  if (!judgement.good() || ticket.limits.size() != kLimitsSize) return false;
  Limits limits;
  std::memcpy(&limits, ticket.limits.data(), kLimitsSize);
  ngtcp2_transport_params p{};
  p.initial_max_streams_bidi = limits.streams_bidi;
  p.initial_max_streams_uni = limits.streams_uni;
  p.initial_max_stream_data_bidi_local = limits.bidi_local;
  p.initial_max_stream_data_bidi_remote = limits.bidi_remote;
  p.initial_max_stream_data_uni = limits.uni;
  p.initial_max_data = limits.data;
  p.active_connection_id_limit = limits.ids;
  p.max_datagram_frame_size = limits.datagram;
  ngtcp2_conn_set_early_remote_transport_params(conn, &p);
  early_names = judgement.names;
  return true;
}

std::unique_ptr<Connection> Connection::dial(const Common& common, std::shared_ptr<const tls::Credentials> credentials,
                                             const Path& path, const Ticket* ticket, BytesView token,
                                             CidObserver& observer, Timestamp now) {
  HandshakeOptions options{.role = tls::Role::client, .judge = common.judge};
  if (ticket != nullptr) options.resume = ticket->session;
  auto library = std::make_unique<Library>(common, observer, std::move(credentials), std::move(options));
  const Cid ours = library->new_cid();
  Cid theirs;
  theirs.size = 16;
  common.random({theirs.bytes.data(), theirs.size});
  const ngtcp2_cid scid = to_library(ours), dcid = to_library(theirs);
  const ngtcp2_callbacks callbacks = library->callbacks();
  const ngtcp2_settings settings = library->settings(now, token);
  const ngtcp2_transport_params params = library->params();
  LibraryPath way(path);
  const ngtcp2_path view = way.view();
  PLUMVINE_CHECK(ngtcp2_conn_client_new(&library->conn, &dcid, &scid, &view, NGTCP2_PROTO_VER_V1, &callbacks, &settings,
                                        &params, nullptr, library.get()) == 0,
                 "out of memory");
  library->attach(path);
  if (ticket != nullptr && library->try_early(*ticket)) {
    library->tried_early = true;
    library->state = State::up;
  }
  observer.cid_added(ours);
  return std::unique_ptr<Connection>(new Connection(std::move(library)));
}

std::unique_ptr<Connection> Connection::accept(const Common& common,
                                               std::shared_ptr<const tls::Credentials> credentials, const Path& path,
                                               const FirstPacket& first, CidObserver& observer, Timestamp now) {
  auto library = std::make_unique<Library>(
      common, observer, std::move(credentials),
      HandshakeOptions{
          .role = tls::Role::server, .judge = common.judge, .tickets = common.tickets, .replays = common.replays});
  const Cid ours = library->new_cid();
  const ngtcp2_cid scid = to_library(ours), dcid = to_library(first.scid);
  const ngtcp2_callbacks callbacks = library->callbacks();
  const ngtcp2_settings settings = library->settings(now, first.token.view());
  ngtcp2_transport_params params = library->params();
  params.original_dcid = to_library(first.odcid ? *first.odcid : first.dcid);
  if (first.odcid) {
    params.retry_scid = to_library(first.dcid);
    params.retry_scid_present = 1;
  }
  params.stateless_reset_token_present = 1;
  if (ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token, raw(as_bytes(common.reset_secret)),
                                                   common.reset_secret.size(), &scid) != 0)
    return nullptr;
  LibraryPath way(path);
  const ngtcp2_path view = way.view();
  if (ngtcp2_conn_server_new(&library->conn, &dcid, &scid, &view, first.version, &callbacks, &settings, &params,
                             nullptr, library.get()) != 0)
    return nullptr;
  library->attach(path);
  observer.cid_added(ours);
  observer.cid_added(first.dcid);
  return std::unique_ptr<Connection>(new Connection(std::move(library)));
}

Connection::Connection(std::unique_ptr<Library> library) : library_(std::move(library)) {}
Connection::~Connection() = default;

// ---- what the library calls ----

int Connection::Library::shaken() {
  if (!handshake.finish()) return NGTCP2_ERR_CALLBACK_FAILURE;
  if (server()) {
    state = State::up;
    early = early || handshake.early_accepted();
    std::array<std::uint8_t, NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN> fresh{};
    LibraryAddress address(remote);
    const ngtcp2_addr view = address.view();
    const ngtcp2_ssize size =
        ngtcp2_crypto_generate_regular_token(fresh.data(), raw(as_bytes(common.token_secret)),
                                             common.token_secret.size(), view.addr, view.addrlen, stamp(clock));
    if (size > 0) (void)ngtcp2_conn_submit_new_token(conn, fresh.data(), static_cast<std::size_t>(size));
    return 0;
  }
  if (!tried_early) {
    if (handshake.resumed()) state = State::up;
    return 0;
  }
  // Whom we began to talk to is who it turned out to be.
  if (handshake.peer().names != early_names) return NGTCP2_ERR_CALLBACK_FAILURE;
  early = handshake.early_accepted();
  if (early) return 0;
  ++numbers.early_refused;
  if (ngtcp2_conn_early_data_rejected(conn) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  out.rewind();
  fin_sent = false;
  stream = -1;
  return 0;
}

/// The server has judged us, too.
int Connection::Library::confirmed() {
  if (!server() && state == State::handshaking) state = State::up;
  return 0;
}

int Connection::Library::received(std::uint32_t flags, BytesView data) {
  if ((flags & NGTCP2_STREAM_DATA_FLAG_EARLY) != 0 && server() && state == State::handshaking) {
    if (!handshake.judge()) return NGTCP2_ERR_CALLBACK_FAILURE;
    early = true;
    state = State::up;
  }
  in.append(data);
  if ((flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0) fin_came = true;
  return 0;
}

// ---- packets ----

void Connection::receive(const Path& path, Ecn ecn, BytesView packet, Timestamp now) {
  Library& l = *library_;
  l.clock = now;
  if (l.state == State::closing) {
    // Each time it takes twice as many packets to hear the end again (RFC 9000, section 10.2.1).
    ++l.came_after;
    if ((l.came_after & (l.came_after - 1)) == 0) l.say_last = true;
    return;
  }
  if (!l.alive()) return;
  LibraryPath way(path);
  const ngtcp2_path view = way.view();
  ngtcp2_pkt_info info{};
  info.ecn = static_cast<std::uint32_t>(ecn);
  const int status = ngtcp2_conn_read_pkt(l.conn, &view, &info, raw(packet), packet.size(), stamp(now));
  if (status == 0) return l.finish_if_done(now);
  if (status == NGTCP2_ERR_DRAINING) return l.ended_by_peer(now);
  if (status == NGTCP2_ERR_DROP_CONN || status == NGTCP2_ERR_RETRY)
    return l.stop(State::gone, {.text = "its first packets make no sense", .refused = TlsReject::protocol}, now);
  l.fail(status, now);
}

void Connection::Library::open_stream() {
  if (stream >= 0 || server()) return;
  std::int64_t id = -1;
  if (ngtcp2_conn_open_bidi_stream(conn, &id, nullptr) == 0) stream = id;
}

ngtcp2_ssize Connection::Library::write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* to,
                                               std::size_t room, Timestamp now) {
  constexpr std::size_t kViews = 16;
  bool blocked = false;
  while (!datagrams_out.empty()) {
    const Bytes& bytes = datagrams_out.front();
    const bool fits = bytes.size() + kDatagramHead <= ngtcp2_conn_get_path_max_tx_udp_payload_size(conn);
    const ngtcp2_vec vec{const_cast<std::uint8_t*>(raw(bytes.view())), bytes.size()};
    int taken = 0;
    const ngtcp2_ssize n = !fits ? NGTCP2_ERR_INVALID_ARGUMENT
                                 : ngtcp2_conn_writev_datagram(conn, path, info, to, room, &taken,
                                                               NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, &vec, 1, stamp(now));
    const bool refused = n == NGTCP2_ERR_INVALID_ARGUMENT || n == NGTCP2_ERR_INVALID_STATE;
    if (refused) ++numbers.datagrams_dropped;
    if (taken != 0 || refused) datagrams_out.pop_front();
    if (n != NGTCP2_ERR_WRITE_MORE && !refused) return n;
  }
  for (;;) {
    std::array<BytesView, kViews> views;
    std::array<ngtcp2_vec, kViews> vecs;
    const std::size_t count = stream < 0 || blocked ? 0 : out.gather(views);
    std::size_t offered = 0;
    for (std::size_t i = 0; i < count; ++i) {
      vecs[i] = {const_cast<std::uint8_t*>(raw(views[i])), views[i].size()};
      offered += views[i].size();
    }
    const bool last = fin_wanted && !fin_sent && stream >= 0 && !blocked && offered == out.waiting();
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize n = ngtcp2_conn_writev_stream(
        conn, path, info, to, room, &taken, last ? NGTCP2_WRITE_STREAM_FLAG_FIN : NGTCP2_WRITE_STREAM_FLAG_NONE,
        count > 0 || last ? stream : -1, vecs.data(), count, stamp(now));
    if (taken >= 0) {
      out.sent(static_cast<std::size_t>(taken));
      if (last && static_cast<std::size_t>(taken) == offered) fin_sent = true;
    }
    if (!blocked &&
        (n == NGTCP2_ERR_STREAM_DATA_BLOCKED || n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND)) {
      blocked = true;
      continue;
    }
    return n;
  }
}

bool Connection::write(PacketSink& sink, std::span<std::byte> room, Timestamp now) {
  Library& l = *library_;
  l.clock = now;
  if (l.state == State::closing && std::exchange(l.say_last, false))
    return sink.send(l.last_path, Ecn::none,
                     {reinterpret_cast<const std::byte*>(l.last_words.data()), l.last_words.size()},
                     l.last_words.size());
  if (!l.alive()) return true;
  l.open_stream();
  const std::size_t quantum = std::clamp<std::size_t>(ngtcp2_conn_get_send_quantum(l.conn), 2 * kPacketMax, kCallMax);
  Path way;
  Ecn ecn = Ecn::none;
  std::size_t used = 0, segment = 0, total = 0;
  bool open = true;
  const auto flush = [&] {
    if (used > 0) open = sink.send(way, ecn, room.first(used), segment);
    used = segment = 0;
  };
  while (open && total < quantum) {
    if (used + kPacketMax > room.size()) flush();
    ngtcp2_path_storage storage;
    ngtcp2_path_storage_zero(&storage);
    ngtcp2_pkt_info info{};
    const ngtcp2_ssize n =
        l.write_packet(&storage.path, &info, reinterpret_cast<std::uint8_t*>(room.data()) + used, kPacketMax, now);
    if (n < 0) {
      flush();
      l.fail(static_cast<int>(n), now);
      if (std::exchange(l.say_last, false))
        return sink.send(l.last_path, Ecn::none,
                         {reinterpret_cast<const std::byte*>(l.last_words.data()), l.last_words.size()},
                         l.last_words.size()) &&
               open;
      return open;
    }
    if (n == 0) break;
    const auto size = static_cast<std::size_t>(n);
    total += size;
    l.numbers.sent_bytes += size;
    const Path path = from_library(storage.path);
    const auto mark = static_cast<Ecn>(info.ecn & 3);
    if (segment > 0 && (!(path == way) || mark != ecn || size > segment)) {
      const std::size_t at = used;
      flush();
      std::memmove(room.data(), room.data() + at, size);
    }
    if (segment == 0) {
      segment = size;
      way = path;
      ecn = mark;
    }
    used += size;
    if (size < segment) flush();
  }
  flush();
  ngtcp2_conn_update_pkt_tx_time(l.conn, stamp(now));
  if (l.alive()) l.last_path = from_library(*ngtcp2_conn_get_path(l.conn));
  return open;
}

Timestamp Connection::expiry() const {
  const Library& l = *library_;
  if (l.state == State::gone) return Timestamp{0};
  if (!l.alive()) return l.gone_at;
  const ngtcp2_tstamp at = ngtcp2_conn_get_expiry(l.conn);
  return at >= static_cast<ngtcp2_tstamp>(kNever.ns) ? kNever : Timestamp{static_cast<std::int64_t>(at)};
}

void Connection::due(Timestamp now) {
  Library& l = *library_;
  l.clock = now;
  if (!l.alive()) {
    if (now >= l.gone_at) l.state = State::gone;
    return;
  }
  const int status = ngtcp2_conn_handle_expiry(l.conn, stamp(now));
  if (status == 0) return;
  if (status == NGTCP2_ERR_IDLE_CLOSE)
    return l.stop(State::gone, {.code = Errc::timed_out, .text = "nothing was heard for too long"}, now);
  if (status == NGTCP2_ERR_HANDSHAKE_TIMEOUT)
    return l.stop(State::gone,
                  {.code = Errc::timed_out, .text = "no QUIC handshake in time", .refused = TlsReject::timed_out}, now);
  l.fail(status, now);
}

// ---- its end ----

void Connection::Library::stop(State next, End why, Timestamp now) {
  if (!alive()) return;
  state = next;
  end = std::move(why);
  end.answered = ngtcp2_conn_get_handshake_completed(conn) != 0;
  out = {};
  if (!end.graceful && !fin_came) in.clear();
  datagrams_out.clear();
  gone_at = now + Duration{static_cast<std::int64_t>(3 * ngtcp2_conn_get_pto(conn))};
}

void Connection::Library::say_end(const ngtcp2_connection_close_error& error, End why, Timestamp now) {
  if (!alive()) return;
  last_words.resize(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  ngtcp2_path_storage storage;
  ngtcp2_path_storage_zero(&storage);
  ngtcp2_pkt_info info{};
  const ngtcp2_ssize n = ngtcp2_conn_write_connection_close(conn, &storage.path, &info, last_words.data(),
                                                            last_words.size(), &error, stamp(now));
  last_words.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  say_last = n > 0;
  if (n > 0) last_path = from_library(storage.path);
  stop(n > 0 ? State::closing : State::draining, std::move(why), now);
}

/// A call of the library went wrong: the other end broke the protocol, or is refused.
void Connection::Library::fail(int status, Timestamp now) {
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  End why{.text = std::string("QUIC: ") + ngtcp2_strerror(status), .refused = TlsReject::protocol};
  if (handshake.judged() && !handshake.peer().good()) {
    why.text = handshake.peer().text;
    why.refused = handshake.peer().why;
    ngtcp2_connection_close_error_set_transport_error_tls_alert(
        &error, static_cast<std::uint8_t>(tls::alert_for(why.refused)), nullptr, 0);
  } else if (status == NGTCP2_ERR_CRYPTO) {
    const int alert = ngtcp2_conn_get_tls_alert(conn);
    if (alert == GNUTLS_A_CERTIFICATE_REQUIRED) {
      why.refused = TlsReject::no_certificate;
      why.text = "it shows no certificate";
    } else {
      why.text = "TLS failed: " + tls::name_of_alert(alert);
    }
    ngtcp2_connection_close_error_set_transport_error_tls_alert(&error, static_cast<std::uint8_t>(alert), nullptr, 0);
  } else if (status == NGTCP2_ERR_RECV_VERSION_NEGOTIATION) {
    why.text = "it speaks no version of QUIC that we do";
  } else {
    ngtcp2_connection_close_error_set_transport_error_liberr(&error, status, nullptr, 0);
  }
  if (ngtcp2_err_is_fatal(status) != 0 && status != NGTCP2_ERR_CALLBACK_FAILURE)
    return stop(State::draining, std::move(why), now);
  say_end(error, std::move(why), now);
}

void Connection::Library::ended_by_peer(Timestamp now) {
  End why{.text = "connection closed by the other side", .graceful = true};
  if (forgotten) {
    why = {.text = "connection reset by the other side, which does not know it any more"};
  } else {
    ngtcp2_connection_close_error error;
    ngtcp2_conn_get_connection_close_error(conn, &error);
    const bool application = error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION;
    const std::uint64_t code = error.error_code;
    if (application ? code != kDone : code == kApplicationError) {
      why = {.text = "connection reset by the other side"};
    } else if (!application && code >= kCryptoError && code < kCryptoError + 256) {
      const int alert = static_cast<int>(code - kCryptoError);
      const std::string about_us = tls::explain_alert(alert);
      why = {.text = about_us.empty() ? "it ended TLS: " + tls::name_of_alert(alert) : about_us,
             .refused = about_us.empty() ? TlsReject::protocol : TlsReject::refused_by_peer};
    } else if (!application && code == kConnectionRefused) {
      why = {.text = "connection refused: it has no room for more, or keeps this address out"};
    } else if (!application && code != 0) {
      why = {.text = "the other side ended the connection by QUIC error " + std::to_string(code),
             .refused = TlsReject::protocol};
    }
  }
  stop(State::draining, std::move(why), now);
}

void Connection::Library::finish_if_done(Timestamp now) {
  if (!fin_sent || out.held() > 0 || !alive()) return;
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_connection_close_error_set_application_error(&error, kDone, nullptr, 0);
  say_end(error, {.text = "closed", .graceful = true}, now);
}

void Connection::finish() {
  library_->fin_wanted = true;
}

void Connection::close(bool reset, Timestamp now) {
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_connection_close_error_set_application_error(&error, reset ? kReset : kDone, nullptr, 0);
  library_->clock = now;
  library_->say_end(error, {.text = "closed"}, now);
}

void Connection::refuse(Timestamp now) {
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_connection_close_error_set_transport_error(&error, kConnectionRefused, nullptr, 0);
  library_->clock = now;
  library_->say_end(error, {.text = "not admitted here"}, now);
}

void Connection::give_up(const char* why, Timestamp now) {
  library_->stop(State::gone, {.code = Errc::timed_out, .text = why, .refused = TlsReject::timed_out}, now);
}

void Connection::revoke(const tls::Judgement& judgement, Timestamp now) {
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_connection_close_error_set_transport_error_tls_alert(
      &error, static_cast<std::uint8_t>(tls::alert_for(judgement.why)), nullptr, 0);
  library_->clock = now;
  library_->say_end(error, {.text = judgement.text, .refused = judgement.why}, now);
}

// ---- stream and datagrams ----

bool Connection::has_room() const {
  const Library& l = *library_;
  return l.alive() && !l.fin_wanted && l.out.waiting() < kWaitingMax && l.out.held() < kSendMax;
}

std::size_t Connection::push(std::span<const Bytes> batch) {
  Library& l = *library_;
  std::size_t taken = 0;
  for (const Bytes& bytes : batch) {
    if (!has_room()) break;
    const std::size_t room = std::min(kWaitingMax - l.out.waiting(), kSendMax - l.out.held());
    const Bytes part = bytes.slice(0, room);
    l.out.push(part);
    taken += part.size();
    if (part.size() < bytes.size()) break;
  }
  return taken;
}

std::size_t Connection::read(std::span<std::byte> room) {
  Library& l = *library_;
  const std::size_t n = l.in.read(room);
  if (n > 0 && l.alive()) {
    (void)ngtcp2_conn_extend_max_stream_offset(l.conn, l.stream, n);
    ngtcp2_conn_extend_max_offset(l.conn, n);
  }
  return n;
}

std::size_t Connection::readable() const {
  return library_->in.size();
}
bool Connection::at_end() const {
  return (library_->fin_came || library_->end.graceful) && library_->in.size() == 0;
}

bool Connection::send_datagram(BytesView bytes) {
  Library& l = *library_;
  if (l.state != State::up || ngtcp2_conn_get_handshake_completed(l.conn) == 0 ||
      l.datagrams_out.size() >= kDatagramsMax)
    return false;
  if (bytes.size() + kDatagramHead > ngtcp2_conn_get_path_max_tx_udp_payload_size(l.conn)) return false;
  const ngtcp2_transport_params* const theirs = ngtcp2_conn_get_remote_transport_params(l.conn);
  if (theirs == nullptr || theirs->max_datagram_frame_size < bytes.size() + kDatagramHead) return false;
  l.datagrams_out.push_back(Bytes::copy_of(bytes));
  return true;
}

std::vector<Bytes> Connection::take_datagrams() {
  return std::exchange(library_->datagrams_in, {});
}

bool Connection::migrate(const Endpoint& local, Timestamp now) {
  Library& l = *library_;
  if (l.server() || l.state != State::up) return false;
  Path path = from_library(*ngtcp2_conn_get_path(l.conn));
  path.local = local;
  LibraryPath way(path);
  const ngtcp2_path view = way.view();
  if (ngtcp2_conn_initiate_immediate_migration(l.conn, &view, stamp(now)) != 0) return false;
  ++l.numbers.migrations;
  return true;
}

// ---- what is known ----

Connection::State Connection::state() const noexcept {
  return library_->state;
}
const Connection::End& Connection::end() const noexcept {
  return library_->end;
}
tls::Role Connection::role() const noexcept {
  return library_->role;
}
Path Connection::path() const {
  return library_->last_path;
}
const std::vector<std::string>& Connection::peer_chain() const {
  return library_->handshake.chain();
}
bool Connection::resumed() const {
  return library_->handshake.resumed();
}
bool Connection::early() const noexcept {
  return library_->early;
}
bool Connection::handshake_done() const {
  return ngtcp2_conn_get_handshake_completed(library_->conn) != 0;
}
const std::vector<std::string>& Connection::peer_names() const {
  return library_->handshake.judged() ? library_->handshake.peer().names : library_->early_names;
}

std::optional<Ticket> Connection::take_ticket() {
  Library& l = *library_;
  const ngtcp2_transport_params* const p =
      l.alive() && handshake_done() ? ngtcp2_conn_get_remote_transport_params(l.conn) : nullptr;
  if (p == nullptr || !l.handshake.has_ticket()) return std::nullopt;
  Ticket ticket;
  ticket.session = l.handshake.take_ticket();
  if (ticket.session.empty()) return std::nullopt;
  const Limits limits{p->initial_max_streams_bidi,           p->initial_max_streams_uni,
                      p->initial_max_stream_data_bidi_local, p->initial_max_stream_data_bidi_remote,
                      p->initial_max_stream_data_uni,        p->initial_max_data,
                      p->active_connection_id_limit,         p->max_datagram_frame_size};
  ticket.limits = Bytes::copy_of(std::as_bytes(std::span{&limits, 1}));
  ticket.chain = l.handshake.chain();
  return ticket;
}

Bytes Connection::take_token() {
  return std::exchange(library_->token, {});
}

Connection::Numbers Connection::numbers() const {
  Numbers n = library_->numbers;
  ngtcp2_conn_stat stat;
  ngtcp2_conn_get_conn_stat(library_->conn, &stat);
  n.rtt = Duration{static_cast<std::int64_t>(stat.smoothed_rtt)};
  return n;
}

}  // namespace plumvine::quic
