#pragma once

#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

namespace plumvine {

/// A queue in one piece of memory that is used again: what comes and goes in equal measure takes no memory, as it does
/// in a `std::deque`, which takes and gives a piece every few items. Places for many are given back once the queue is
/// empty and a quarter of them would have done since it was empty before.
///
/// Items are default-constructible; the place of one that was popped holds an empty one. Not thread-safe.
template <class Item>
class Ring {
 public:
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Places that memory is held for.
  [[nodiscard]] std::size_t places() const noexcept { return places_.size(); }
  /// `index` counts from the front; it is below `size()`.
  [[nodiscard]] Item& operator[](std::size_t index) noexcept {
    return places_[(first_ + index) & (places_.size() - 1)];
  }
  [[nodiscard]] const Item& operator[](std::size_t index) const noexcept {
    return places_[(first_ + index) & (places_.size() - 1)];
  }
  [[nodiscard]] Item& front() noexcept { return (*this)[0]; }
  [[nodiscard]] const Item& front() const noexcept { return (*this)[0]; }
  [[nodiscard]] Item& back() noexcept { return (*this)[size_ - 1]; }
  [[nodiscard]] const Item& back() const noexcept { return (*this)[size_ - 1]; }

  Item& push_back(Item item) {
    if (size_ == places_.size()) resize(size_ == 0 ? kLeast : 2 * size_);
    ++size_;
    if (size_ > most_) most_ = size_;
    return back() = std::move(item);
  }
  /// The first item; there is one.
  Item pop_front() {
    Item item = std::exchange(front(), Item{});
    first_ = (first_ + 1) & (places_.size() - 1);
    if (--size_ == 0) emptied();
    return item;
  }
  /// Takes out each item for which `gone(item)`, in order; returns how many. The others keep their order.
  template <class Gone>
  std::size_t erase_if(Gone gone) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      if (gone((*this)[i])) continue;
      if (kept != i) (*this)[kept] = std::move((*this)[i]);
      ++kept;
    }
    const std::size_t erased = size_ - kept;
    for (std::size_t i = kept; i < size_; ++i) (*this)[i] = Item{};
    size_ = kept;
    if (erased > 0 && size_ == 0) emptied();
    return erased;
  }
  void clear() noexcept { *this = Ring{}; }

 private:
  static constexpr std::size_t kLeast = 4;
  static constexpr std::size_t kKept = 64;  ///< places that are kept in any case

  void emptied() {
    const bool large = places_.size() > kKept && most_ * 4 < places_.size();
    most_ = 0;
    if (large) places_ = std::vector<Item>{};
    if (large) first_ = 0;
  }
  void resize(std::size_t places) {
    std::vector<Item> fresh(std::bit_ceil(places));
    for (std::size_t i = 0; i < size_; ++i) fresh[i] = std::move((*this)[i]);
    places_ = std::move(fresh);
    first_ = 0;
  }

  std::vector<Item> places_;  ///< none, or a power of two
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  std::size_t most_ = 0;  ///< items at a time since it was last empty
};

}  // namespace plumvine
