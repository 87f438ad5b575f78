// How a connection begins: what the library calls, what both ends may, dialling and accepting, tickets.
#include <algorithm>
#include <array>
#include <cstring>
#include <plumvine/detail/check.hpp>
#include <utility>

#include "anti_replay.hpp"
#include "connection_impl.hpp"

namespace plumvine::quic {
namespace {

Connection::Library* self_of(void* user) {
  return static_cast<Connection::Library*>(user);
}

/// Whose packet is being read: the library asks for decryption without saying so.
thread_local Connection::Library* reading = nullptr;

int open_packet(std::uint8_t* to, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
                const std::uint8_t* sealed, std::size_t size, const std::uint8_t* nonce, std::size_t nonce_size,
                const std::uint8_t* header, std::size_t header_size) {
  const int status = ngtcp2_crypto_decrypt_cb(to, aead, context, sealed, size, nonce, nonce_size, header, header_size);
  if (status == 0 && reading != nullptr) reading->opened({reinterpret_cast<const std::byte*>(header), header_size});
  return status;
}

/// What a client must remember of the server's limits to send early data (RFC 9000, section 7.4.1).
struct Limits {
  std::uint64_t streams_bidi, streams_uni, bidi_local, bidi_remote, uni, data, ids, datagram;
};
constexpr std::size_t kLimitsSize = sizeof(Limits);

}  // namespace

int Connection::Library::read(const Path& seen, Ecn ecn, BytesView packet, Timestamp now) {
  LibraryPath way(seen);
  const ngtcp2_path view = way.view();
  ngtcp2_pkt_info info{};
  info.ecn = static_cast<std::uint32_t>(ecn);
  reading = this;
  const int status = ngtcp2_conn_read_pkt(conn, &view, &info, raw(packet), packet.size(), stamp(now));
  reading = nullptr;
  return status;
}

ngtcp2_callbacks Connection::Library::callbacks() const {
  ngtcp2_callbacks c{};
  c.client_initial = ngtcp2_crypto_client_initial_cb;
  c.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  c.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  c.encrypt = ngtcp2_crypto_encrypt_cb;
  c.decrypt = open_packet;
  c.hp_mask = ngtcp2_crypto_hp_mask_cb;
  c.recv_retry = ngtcp2_crypto_recv_retry_cb;
  c.update_key = ngtcp2_crypto_update_key_cb;
  c.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  c.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  c.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  c.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  c.handshake_completed = [](ngtcp2_conn*, void* user) { return self_of(user)->shaken(); };
  c.handshake_confirmed = [](ngtcp2_conn*, void* user) { return self_of(user)->confirmed(); };
  c.recv_stream_data = [](ngtcp2_conn*, std::uint32_t flags, std::int64_t id, std::uint64_t, const std::uint8_t* data,
                          std::size_t size, void* user, void*) {
    return self_of(user)->received(id, flags, {reinterpret_cast<const std::byte*>(data), size});
  };
  c.acked_stream_data_offset = [](ngtcp2_conn*, std::int64_t id, std::uint64_t, std::uint64_t size, void* user, void*) {
    Library& library = *self_of(user);
    if (id != library.stream) return 0;  // of a batch: it counts when all of it has arrived
    library.out.acked(static_cast<std::size_t>(size));
    library.arrived += size;
    return 0;
  };
  c.stream_open = [](ngtcp2_conn*, std::int64_t id, void* user) {
    if (self_of(user)->stream < 0 && ngtcp2_is_bidi_stream(id) != 0) self_of(user)->stream = id;
    return 0;
  };
  c.stream_close = [](ngtcp2_conn*, std::uint32_t flags, std::int64_t id, std::uint64_t, void* user, void*) {
    return self_of(user)->batch_over(id, (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0);
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
    self_of(user)->validated(from_library(*path), result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS);
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
  p.initial_max_streams_uni = common.batches_max;
  p.initial_max_stream_data_uni = kBatchMax;
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
  local = known_local = path.local;
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
  if (ticket != nullptr && library->handshake.resuming() && library->try_early(*ticket)) {
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

/// A batch that we sent has arrived; of one that came nothing is left to do here.
int Connection::Library::batch_over(std::int64_t id, bool broken) {
  if (ngtcp2_is_bidi_stream(id) != 0 || ngtcp2_conn_is_local_stream(conn, id) == 0) return 0;
  return !broken && batches_out.arrived(id) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

int Connection::Library::received(std::int64_t id, std::uint32_t flags, BytesView data) {
  if (id != stream) {
    // Whoever replays a first flight must not bring payloads.
    if ((flags & NGTCP2_STREAM_DATA_FLAG_EARLY) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
    const bool whole = (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0;
    batches_in.take(id, data, whole);
    if (whole) ++numbers.batches_received;
    return 0;
  }
  if ((flags & NGTCP2_STREAM_DATA_FLAG_EARLY) != 0 && server() && state == State::handshaking) {
    if (!handshake.judge()) return NGTCP2_ERR_CALLBACK_FAILURE;
    early = true;
    state = State::up;
  }
  in.append(data);
  if ((flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0) fin_came = true;
  return 0;
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

}  // namespace plumvine::quic
