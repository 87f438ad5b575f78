#include "error_codes.hpp"

#include <array>

namespace plumvine::uv {
namespace {

constexpr std::array kTable{
    ErrorCode{"ok", "No error.", "Nothing is to be done."},
    ErrorCode{"invalid_argument", "The call or the request has a value that cannot be used.", "The message names it and what is allowed."},
    ErrorCode{"invalid_config", "The configuration breaks a rule.", "plumvine config validate FILE names every problem at once."},
    ErrorCode{"address_in_use", "Another process listens at this address.", "Stop it, or take another port (--bind, --http)."},
    ErrorCode{"not_resolved", "A name has no address.", "Check its spelling and the name service of this machine."},
    ErrorCode{"overloaded", "Too much waits to be sent, or too many ask at a time.",
              "Send it again a little later. If it stays, plumvine lag and plumvine peers name who is slow."},
    ErrorCode{"too_large", "The message or the body is above a bound.", "Split it, or raise max_message_size on all members."},
    ErrorCode{"stopped", "The node was stopped, or has left the cluster.", "plumvine rejoin brings a node back that has left."},
    ErrorCode{"would_deadlock", "A call that waits was made on the loop's own thread.",
              "Use the call or handler that does not wait, or another thread."},
    ErrorCode{"malformed", "Bytes that were read are not what they should be.", "The message says which; compare versions of both ends."},
    ErrorCode{"key_reused", "The Idempotency-Key of a publish was used for another message within ten minutes.", "Take a new key for each message; the same one only to send the same message again."},
    ErrorCode{"limit_reached", "A bound on how many there may be at a time was reached.", "Wait until some are done; the message names the bound."},
    ErrorCode{"not_found", "There is no such path, member, link or key.", "plumvine members, plumvine peers or GET / list what there is."},
    ErrorCode{"timed_out", "It took longer than was waited for; it may still come to pass.", "Look before you repeat it: plumvine health, plumvine lag."},
    ErrorCode{"system", "The system refused something.", "The message has the system's own words; see also the log."},
    ErrorCode{"bad_request", "The HTTP request is not well-formed, or a value in it is none.", "The hint of the answer says what is read."},
    ErrorCode{"method_not_allowed", "The path is there, but not for this method.", "Use the method that the header Allow names."},
    ErrorCode{"forbidden", "The path is for clients on the node's own machine.", "Call it there, for example through ssh."},
    ErrorCode{"unauthorized", "The path needs the token in http_token_file, and none or another one was shown.",
              "plumvine --token-file FILE, or the header Authorization: Bearer TOKEN."},
    ErrorCode{"cross_origin", "A page of another origin asked for something that changes state.", "Call it from a program, or from a page of this node."},
    ErrorCode{"rate_limited", "This client's address asks more often than http_rate_limit_per_second allows.", "Wait a second, as Retry-After says; or raise the limit."},
    ErrorCode{"not_ready", "The node has not joined, or its first sync is not done.", "GET /healthz says what to look at."},
    ErrorCode{"no_tls", "The question is about certificates, and this member has none.", "Start it with tls_cert, tls_key and tls_ca."},
    ErrorCode{"not_subscribed", "This node does not subscribe to the topic.",
              "Ask another member, or set topics.NAME.subscribe = true and start it again."},
};

}  // namespace

std::span<const ErrorCode> error_codes() noexcept { return kTable; }

}  // namespace plumvine::uv
