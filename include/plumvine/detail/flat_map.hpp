#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace plumvine {

/// A map for few entries that are looked up often, in ascending order of keys: one block of memory, found by halving.
/// Adding and removing move what is behind, and end all iterators and references.
template <class Key, class Value>
class FlatMap {
 public:
  using Entry = std::pair<Key, Value>;
  using iterator = typename std::vector<Entry>::iterator;
  using const_iterator = typename std::vector<Entry>::const_iterator;

  [[nodiscard]] iterator begin() noexcept { return entries_.begin(); }
  [[nodiscard]] iterator end() noexcept { return entries_.end(); }
  [[nodiscard]] const_iterator begin() const noexcept { return entries_.begin(); }
  [[nodiscard]] const_iterator end() const noexcept { return entries_.end(); }
  [[nodiscard]] iterator find(const Key& key) {
    const auto it = place(key);
    return it != entries_.end() && it->first == key ? it : entries_.end();
  }
  [[nodiscard]] const_iterator find(const Key& key) const { return const_cast<FlatMap*>(this)->find(key); }
  [[nodiscard]] bool contains(const Key& key) const { return find(key) != end(); }
  /// The key's value, a fresh one where there was none.
  Value& operator[](const Key& key) {
    auto it = place(key);
    if (it == entries_.end() || it->first != key) it = entries_.insert(it, Entry{key, Value{}});
    return it->second;
  }
  void erase(iterator it) { entries_.erase(it); }
  /// How many there were: none or one.
  std::size_t erase(const Key& key) {
    const auto it = find(key);
    if (it == entries_.end()) return 0;
    entries_.erase(it);
    return 1;
  }
  void clear() noexcept { entries_.clear(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  [[nodiscard]] iterator place(const Key& key) {
    return std::lower_bound(entries_.begin(), entries_.end(), key, [](const Entry& entry, const Key& k) { return entry.first < k; });
  }

  std::vector<Entry> entries_;
};

/// A set of the same kind.
template <class Key>
class FlatSet {
 public:
  /// False: it was there.
  bool insert(const Key& key) {
    const auto it = std::lower_bound(keys_.begin(), keys_.end(), key);
    if (it != keys_.end() && *it == key) return false;
    keys_.insert(it, key);
    return true;
  }
  /// How many there were: none or one.
  std::size_t erase(const Key& key) {
    const auto it = std::lower_bound(keys_.begin(), keys_.end(), key);
    if (it == keys_.end() || *it != key) return 0;
    keys_.erase(it);
    return 1;
  }
  [[nodiscard]] bool contains(const Key& key) const { return std::binary_search(keys_.begin(), keys_.end(), key); }
  [[nodiscard]] bool empty() const noexcept { return keys_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }

 private:
  std::vector<Key> keys_;
};

}  // namespace plumvine
