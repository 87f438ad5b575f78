#pragma once

#include <string>
#include <string_view>

#include <plumvine/snapshot.hpp>

#include "transport/driver.hpp"

namespace plumvine::uv {

/// Who believes what of whom (`Asking::views`).
///
/// The question carries a digest of the asker's view, in buckets of names, so that a member of the same view answers in a few bytes, and
/// any other one only with its rows of the buckets that differ. Living members are compared with their incarnation, the dead and the
/// left by their state; who is not known is as good as dead or left, since a member that joins later never hears of these.

std::string views_question(const Snapshot& own);
/// The rows of whole buckets, as many as fit an answer; it says when some did not. Empty where the question is not readable.
std::string views_answer(const Snapshot& own, std::string_view question);

/// `{"self","agree","members","agreeing":[…],"disagreements":[…],"cut":[…],"silent":[…]}`. They agree if nobody differs, is silent
/// or was cut.
std::string views_json(const Snapshot& own, const Answered& answered);

}  // namespace plumvine::uv
