#include "stream.hpp"

#include "lzw.hpp"

namespace plumvine::swim::wire {

StreamReader::Progress StreamReader::feed(BytesView data) {
  if (progress_ != Progress::more) return progress_;
  if (stage_ == Stage::user_message) {
    bytes_left_ -= static_cast<std::int64_t>(std::min<std::size_t>(data.size(), static_cast<std::size_t>(bytes_left_)));
    return progress_ = bytes_left_ == 0 ? Progress::done : Progress::more;
  }
  if (data.size() > kStreamMax - buffer_.size()) return fail(PacketReject::too_large);
  grow(buffer_, data.size(), kStreamMax);
  buffer_.insert(buffer_.end(), data.begin(), data.end());
  return progress_ = advance();
}

StreamReader::Progress StreamReader::advance() {
  if (buffer_.empty()) return Progress::more;
  if (!labelled_) {
    const LabelCheck check = check_label(buffer_, label_);
    switch (check.outcome) {
      case LabelCheck::Outcome::incomplete: return Progress::more;
      case LabelCheck::Outcome::wrong: return fail(PacketReject::wrong_label);
      case LabelCheck::Outcome::malformed: return fail(PacketReject::malformed);
      case LabelCheck::Outcome::accepted: break;
    }
    start_ = check.size;
    labelled_ = true;
  }
  const BytesView message = BytesView(buffer_).subspan(start_);
  if (message.empty()) return Progress::more;
  const bool has_key = keyring_ != nullptr && !keyring_->empty();
  if (message[0] == static_cast<std::byte>(MessageType::encrypt))
    return has_key ? decrypt(message) : fail(PacketReject::encrypted);
  if (!judged_) {
    judged_ = true;
    in_clear_ = has_key;
    if (has_key && verify_) return fail(PacketReject::plaintext);
  }
  return start(message);
}

/// The envelope: type, length, blob. What is inside must be whole.
StreamReader::Progress StreamReader::decrypt(BytesView message) {
  constexpr std::size_t kHeader = 5;
  if (message.size() < kHeader) return Progress::more;
  std::size_t size = 0;
  for (std::size_t i = 1; i < kHeader; ++i) size = size << 8 | std::to_integer<std::size_t>(message[i]);
  if (size > kSealedStreamMax) return fail(PacketReject::too_large);
  if (message.size() - kHeader < size) return Progress::more;
  Buffer aad(message.begin(), message.begin() + kHeader);
  const BytesView label = as_bytes(label_);
  aad.insert(aad.end(), label.begin(), label.end());
  opened_by_ = keyring_->open(aad, message.subspan(kHeader, size), opened_);
  if (opened_by_.empty()) return fail(PacketReject::undecryptable);
  buffer_ = {};
  if (opened_.empty()) return fail(PacketReject::empty);
  sealed_ = true;
  return whole(opened_);
}

StreamReader::Progress StreamReader::start(BytesView message) {
  return message[0] == static_cast<std::byte>(MessageType::compress) ? inflate(message) : scan(message);
}

/// For a message that cannot go on: too few bytes are a mistake.
StreamReader::Progress StreamReader::whole(BytesView message) {
  const Progress progress = sealed_ && !compressed_ ? start(message) : scan(message);
  return progress == Progress::more ? fail(PacketReject::malformed) : progress;
}

StreamReader::Progress StreamReader::inflate(BytesView message) {
  MsgpackReader reader(message.subspan(1));
  Compressed compressed;
  scratch_.clear();
  if (!decode(reader, compressed, scratch_)) {
    if (!reader.truncated()) return fail(PacketReject::compressed_malformed);
    return message.size() > kCompressedMax + kStreamObjectMax ? fail(PacketReject::too_large) : Progress::more;
  }
  if (compressed.algorithm != 0) return fail(PacketReject::compressed_malformed);
  switch (lzw_decode(compressed.data, kStreamMax, plain_)) {
    case LzwResult::too_large: return fail(PacketReject::compressed_too_large);
    case LzwResult::malformed: return fail(PacketReject::compressed_malformed);
    case LzwResult::ok: break;
  }
  compressed_ = true;
  if (plain_.empty()) return fail(PacketReject::empty);
  return whole(plain_);
}

StreamReader::Progress StreamReader::scan(BytesView message) {
  if (stage_ == Stage::type) {
    type_ = static_cast<MessageType>(message[0]);
    scanned_ = 1;
    stage_ = Stage::object;
  }
  if (stage_ != Stage::object) return scan_rows(message);
  MsgpackReader reader(message.subspan(scanned_));
  scratch_.clear();
  switch (type_) {
    case MessageType::ping:
    case MessageType::ack:
    case MessageType::error:
      if (!reader.skip()) return reader.truncated() ? need_more(reader.remaining()) : fail(PacketReject::malformed);
      scanned_ += reader.offset();
      body_ = message.subspan(1, scanned_ - 1);
      return Progress::done;
    case MessageType::push_pull: {
      PushPullHeader header;
      if (!decode(reader, header, scratch_))
        return reader.truncated() ? need_more(reader.remaining()) : fail(PacketReject::malformed);
      if (header.nodes < 0 || header.nodes > kStreamNodesMax || header.user_state_size < 0 ||
          header.user_state_size > kUserStateMax)
        return fail(PacketReject::too_large);
      scanned_ += reader.offset();
      rows_left_ = header.nodes;
      bytes_left_ = header.user_state_size;
      stage_ = Stage::rows;
      return scan_rows(message);
    }
    case MessageType::digest: return scan_digest(message);
    case MessageType::user: {
      UserHeader header;
      if (!decode(reader, header, scratch_))
        return reader.truncated() ? need_more(reader.remaining()) : fail(PacketReject::malformed);
      if (header.size < 0 || header.size > kUserStateMax) return fail(PacketReject::too_large);
      const std::size_t have = reader.remaining();
      if (header.size <= kUserMessageKeptMax) {
        if (have < static_cast<std::size_t>(header.size)) return Progress::more;
        body_ = reader.rest().first(static_cast<std::size_t>(header.size));
        return Progress::done;
      }
      bytes_left_ = header.size - static_cast<std::int64_t>(std::min(have, static_cast<std::size_t>(header.size)));
      stage_ = Stage::user_message;
      if (bytes_left_ == 0) return Progress::done;
      if (!compressed_ && !sealed_) buffer_ = {};
      return Progress::more;
    }
    default: return fail(PacketReject::unknown_type);
  }
}

StreamReader::Progress StreamReader::scan_digest(BytesView message) {
  MsgpackReader reader(message.subspan(scanned_));
  Digest digest;
  if (!decode(reader, digest, scratch_))
    return reader.truncated() ? need_more(reader.remaining()) : fail(PacketReject::malformed);
  if (digest.hashes.empty() || digest.hashes.size() % (8 * kBucketHash) != 0 || digest.user_state_size < 0)
    return fail(PacketReject::malformed);
  if (digest.user_state_size > kUserStateMax) return fail(PacketReject::too_large);
  scanned_ += reader.offset();
  bytes_left_ = digest.user_state_size;
  stage_ = Stage::rows;
  return scan_rows(message);
}

StreamReader::Progress StreamReader::scan_rows(BytesView message) {
  while (rows_left_ > 0) {
    MsgpackReader reader(message.subspan(scanned_));
    if (!reader.skip()) return reader.truncated() ? need_more(message.size() - scanned_) : fail(PacketReject::malformed);
    scanned_ += reader.offset();
    --rows_left_;
  }
  if (message.size() - scanned_ < static_cast<std::size_t>(bytes_left_)) return Progress::more;
  scanned_ += static_cast<std::size_t>(bytes_left_);
  body_ = message.subspan(1, scanned_ - 1);
  return Progress::done;
}

StreamReader::Progress StreamReader::need_more(std::size_t held) {
  return held > kStreamObjectMax ? fail(PacketReject::too_large) : Progress::more;
}

StreamReader::Progress StreamReader::fail(PacketReject why) {
  failure_ = why;
  buffer_ = {};
  opened_ = {};
  plain_ = {};
  body_ = {};
  return progress_ = Progress::failed;
}

PushPullRows::PushPullRows(BytesView body, Scratch& scratch) : reader_(body), scratch_(scratch) {
  ok_ = decode(reader_, header_, scratch_) && header_.nodes >= 0 && header_.nodes <= kStreamNodesMax &&
        header_.user_state_size >= 0 && header_.user_state_size <= kUserStateMax;
  left_ = ok_ ? header_.nodes : 0;
}

std::optional<PushNodeState> PushPullRows::next() {
  while (ok_ && left_ > 0) {
    --left_;
    MsgpackReader whole = reader_;
    PushNodeState row;
    scratch_.clear();
    if (decode(reader_, row, scratch_)) return row;
    ok_ = whole.skip();
    reader_ = whole;
    ++passed_over_;
  }
  if (!ok_) return std::nullopt;
  const auto size = static_cast<std::size_t>(header_.user_state_size);
  ok_ = size <= reader_.remaining();
  if (ok_) user_state_ = reader_.rest().first(size);
  return std::nullopt;
}

Bytes wrap_stream(const Layers& layers, bool dialling, BytesView message) {
  Buffer compressed;
  if (layers.compress) {
    append_compressed(message, compressed);
    message = compressed;
  }
  Buffer out;
  out.reserve(2 + layers.label.size() + 5 + Keyring::sealed_size(message.size(), layers.version));
  if (dialling) append_label(layers.label, out);
  if (!layers.sealed()) {
    out.insert(out.end(), message.begin(), message.end());
    return Bytes::copy_of(out);
  }
  Buffer aad{static_cast<std::byte>(MessageType::encrypt)};
  const std::size_t size = Keyring::sealed_size(message.size(), layers.version);
  for (int shift = 24; shift >= 0; shift -= 8) aad.push_back(static_cast<std::byte>(size >> shift & 0xff));
  out.insert(out.end(), aad.begin(), aad.end());
  const BytesView label = as_bytes(layers.label);
  aad.insert(aad.end(), label.begin(), label.end());
  layers.keyring->seal(aad, message, out, layers.version, layers.key);
  return Bytes::copy_of(out);
}

}  // namespace plumvine::swim::wire
