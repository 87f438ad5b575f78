#include "pattern.hpp"

#include <bitset>
#include <cstdint>
#include <vector>

namespace plumvine::serf {
namespace {

using Set = std::bitset<256>;

constexpr int kDepthMax = 24;
constexpr std::size_t kNodesMax = 1024;
constexpr int kUnbounded = -1;

enum class Kind : std::uint8_t { empty, set, cat, alt, repeat, begin, end, word, not_word };

struct Node {
  Kind kind;
  int left = -1;
  int right = -1;
  int min = 0;
  int max = 0;
  Set set{};
};

Set range(unsigned from, unsigned to) {
  Set set;
  for (unsigned c = from; c <= to; ++c) set.set(c);
  return set;
}
Set digits() { return range('0', '9'); }
Set words() { return range('0', '9') | range('a', 'z') | range('A', 'Z') | range('_', '_'); }
Set spaces() { return range('\t', '\n') | range('\f', '\r') | range(' ', ' '); }

/// Reads an expression into a tree; `ok` turns false at what is not understood.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {
    if (text_.starts_with("(?i)")) {
      fold_ = true;
      text_.remove_prefix(4);
    }
  }
  int parse() {
    const int root = alternatives(0);
    if (!text_.empty()) ok = false;
    return root;
  }
  bool ok = true;
  std::vector<Node> nodes;

 private:
  int add(Node node) {
    if (nodes.size() >= kNodesMax) {
      ok = false;
      return 0;
    }
    nodes.push_back(node);
    return static_cast<int>(nodes.size()) - 1;
  }
  int fail() {
    ok = false;
    return add({Kind::empty});
  }
  bool accept(std::string_view token) {
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  unsigned char next() {
    const auto c = static_cast<unsigned char>(text_.front());
    text_.remove_prefix(1);
    return c;
  }
  int alternatives(int depth) {
    if (depth > kDepthMax) return fail();
    int left = sequence(depth);
    while (ok && accept("|")) left = add({Kind::alt, left, sequence(depth)});
    return left;
  }
  int sequence(int depth) {
    int all = add({Kind::empty});
    while (ok && !text_.empty() && text_.front() != '|' && text_.front() != ')') all = add({Kind::cat, all, repeated(depth)});
    return all;
  }
  int repeated(int depth) {
    int item = atom(depth);
    while (ok && !text_.empty()) {
      int min = 0;
      int max = kUnbounded;
      if (accept("*")) {
      } else if (accept("+")) {
        min = 1;
      } else if (accept("?")) {
        max = 1;
      } else if (!counts(min, max)) {
        return item;
      }
      accept("?");  // lazy: the same for a yes or no
      item = add({Kind::repeat, item, -1, min, max});
    }
    return item;
  }
  /// `{n}`, `{n,}` or `{n,m}`; anything else in braces is literal, as in Go.
  bool counts(int& min, int& max) {
    if (text_.empty() || text_.front() != '{') return false;
    const std::string_view before = text_;
    next();
    const bool first = number(min);
    max = min;
    if (first && accept(",")) {
      if (!number(max)) max = kUnbounded;
    }
    if (first && accept("}")) {
      if (max != kUnbounded && max < min) ok = false;
      return true;
    }
    text_ = before;
    return false;
  }
  bool number(int& out) {
    int value = 0;
    std::size_t used = 0;
    while (used < text_.size() && used < 4 && text_[used] >= '0' && text_[used] <= '9') value = value * 10 + (text_[used++] - '0');
    if (used == 0) return false;
    text_.remove_prefix(used);
    out = value;
    return true;
  }
  int atom(int depth) {
    const unsigned char c = next();
    switch (c) {
      case '(': {
        if (accept("?") && !accept(":")) return fail();
        const int inside = alternatives(depth + 1);
        if (!accept(")")) return fail();
        return inside;
      }
      case '[': return char_class();
      case '.': return set_of(~range('\n', '\n'));
      case '^': return add({Kind::begin});
      case '$': return add({Kind::end});
      case '*': case '+': case '?': return fail();
      case '\\': return escape();
      default: return set_of(range(c, c));
    }
  }
  int set_of(Set set) {
    if (fold_) {
      for (unsigned i = 'a'; i <= 'z'; ++i) {
        const unsigned upper = i - 'a' + 'A';
        if (set[i] || set[upper]) set.set(i).set(upper);
      }
    }
    return add({Kind::set, -1, -1, 0, 0, set});
  }
  int escape() {
    if (accept("b")) return add({Kind::word});
    if (accept("B")) return add({Kind::not_word});
    if (accept("A")) return add({Kind::begin});
    if (accept("z")) return add({Kind::end});
    Set set;
    return escaped(set) ? set_of(set) : fail();
  }
  bool escaped(Set& set) {
    if (text_.empty()) return false;
    const unsigned char c = next();
    switch (c) {
      case 'd': set = digits(); return true;
      case 'D': set = ~digits(); return true;
      case 'w': set = words(); return true;
      case 'W': set = ~words(); return true;
      case 's': set = spaces(); return true;
      case 'S': set = ~spaces(); return true;
      case 'n': set.set('\n'); return true;
      case 't': set.set('\t'); return true;
      case 'r': set.set('\r'); return true;
      default: break;
    }
    if (words()[c] || c >= 0x80) return false;  // letters and digits behind a backslash mean what we do not have
    set.set(c);
    return true;
  }
  int char_class() {
    Set set;
    const bool negated = accept("^");
    bool first = true;
    for (;; first = false) {
      if (text_.empty() || text_.starts_with("[:")) return fail();
      if (text_.front() == ']' && !first) break;
      Set one;
      unsigned char low = next();
      if (low == '\\') {
        if (!escaped(one)) return fail();
        if (one.count() != 1) {
          set |= one;
          continue;
        }
        for (low = 0; !one[low];) ++low;
      }
      unsigned char high = low;
      if (text_.size() > 1 && text_[0] == '-' && text_[1] != ']') {
        next();
        high = next();
        if (high == '\\') {
          Set top;
          if (!escaped(top) || top.count() != 1) return fail();
          for (high = 0; !top[high];) ++high;
        }
        if (high < low) return fail();
      }
      set |= range(low, high);
    }
    next();
    return set_of(negated ? ~set : set);
  }

  std::string_view text_;
  bool fold_ = false;
};

struct State {
  Kind kind;  ///< set, an assertion, alt (two ways on), cat (one way on), or empty (found)
  int next = -1;
  int other = -1;
  int node = -1;
};

/// Turns the tree into states and follows all of them at once (Thompson 1968).
class Machine {
 public:
  explicit Machine(const std::vector<Node>& nodes) : nodes_(nodes) {}

  bool compile(int root) {
    const int found = add({Kind::empty});
    start_ = emit(root, found);
    return ok_;
  }
  bool search(std::string_view value) {
    std::vector<int> now;
    std::vector<int> then;
    marks_.assign(states_.size(), 0);
    for (std::size_t at = 0; at <= value.size(); ++at) {
      // The states carried over are already in `now`; an attempt begins at every place.
      if (follow(start_, now, value, at)) return true;
      if (at == value.size()) return false;
      const auto c = static_cast<unsigned char>(value[at]);
      then.clear();
      ++mark_;
      bool hit = false;
      for (const int i : now) {
        const State& state = states_[static_cast<std::size_t>(i)];
        if (nodes_[static_cast<std::size_t>(state.node)].set[c]) hit = follow(state.next, then, value, at + 1) || hit;
      }
      if (hit) return true;
      now.swap(then);
    }
    return false;
  }

 private:
  int add(State state) {
    if (states_.size() >= kProgramMax) {
      ok_ = false;
      return 0;
    }
    states_.push_back(state);
    return static_cast<int>(states_.size()) - 1;
  }
  /// States for node `i` that go on to `next`; returns the first one. Built from the end.
  int emit(int i, int next) {
    if (!ok_) return next;
    const Node& node = nodes_[static_cast<std::size_t>(i)];
    switch (node.kind) {
      case Kind::empty: return next;
      case Kind::cat: return emit(node.left, emit(node.right, next));
      case Kind::alt: {
        const int left = emit(node.left, next);
        return add({Kind::alt, left, emit(node.right, next)});
      }
      case Kind::repeat: {
        int rest = next;
        if (node.max == kUnbounded) {
          rest = add({Kind::alt, next, next});
          const int body = emit(node.left, rest);
          states_[static_cast<std::size_t>(rest)].next = body;
        }
        for (int k = node.min; k < node.max && ok_; ++k) rest = add({Kind::alt, emit(node.left, rest), next});
        for (int k = 0; k < node.min && ok_; ++k) rest = emit(node.left, rest);
        return rest;
      }
      default: return add({node.kind, next, -1, i});
    }
  }
  /// Adds what can be reached from `first` without reading. True if that is the end.
  bool follow(int first, std::vector<int>& list, std::string_view value, std::size_t at) {
    stack_.assign(1, first);
    while (!stack_.empty()) {
      const int i = stack_.back();
      stack_.pop_back();
      auto& mark = marks_[static_cast<std::size_t>(i)];
      if (mark == mark_) continue;
      mark = mark_;
      const State& state = states_[static_cast<std::size_t>(i)];
      if (state.kind == Kind::empty) return true;
      if (state.kind == Kind::set) list.push_back(i);
      else if (holds(state.kind, value, at)) stack_.push_back(state.next);
      if (state.kind == Kind::alt) stack_.push_back(state.other);
    }
    return false;
  }
  static bool holds(Kind kind, std::string_view value, std::size_t at) {
    if (kind == Kind::begin) return at == 0;
    if (kind == Kind::end) return at == value.size();
    if (kind != Kind::word && kind != Kind::not_word) return true;
    static const Set set = words();
    const bool before = at > 0 && set[static_cast<unsigned char>(value[at - 1])];
    const bool after = at < value.size() && set[static_cast<unsigned char>(value[at])];
    return (before != after) == (kind == Kind::word);
  }

  const std::vector<Node>& nodes_;
  std::vector<State> states_;
  std::vector<std::uint32_t> marks_;
  std::vector<int> stack_;
  std::uint32_t mark_ = 1;
  int start_ = 0;
  bool ok_ = true;
};

}  // namespace

Found find_pattern(std::string_view pattern, std::string_view value) {
  if (pattern.size() > kPatternMax || value.size() > kValueMax) return Found::unsupported;
  Parser parser(pattern);
  const int root = parser.parse();
  if (!parser.ok) return Found::unsupported;
  Machine machine(parser.nodes);
  if (!machine.compile(root)) return Found::unsupported;
  return machine.search(value) ? Found::yes : Found::no;
}

}  // namespace plumvine::serf
