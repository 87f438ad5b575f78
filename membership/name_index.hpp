#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include <plumvine/detail/rng.hpp>

namespace plumvine::swim {

/// Hash of a member name, the same on every machine.
inline std::uint64_t hash_name(std::string_view name) noexcept {
  std::uint64_t hash = name.size();
  while (name.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, name.data(), 8);
    hash = mix64(hash ^ word);
    name.remove_prefix(8);
  }
  std::uint64_t tail = 0;
  if (!name.empty()) std::memcpy(&tail, name.data(), name.size());
  return mix64(hash ^ tail);
}

/// Finds things by their member name, which `index_name()` of a `T` gives; does not own them. The name must not
/// change while the thing is in the index.
///
/// Open addressing with linear probing: a look-up touches one line here and one in the thing found, which is
/// what the many repeated news of a big cluster cost. There is no way to walk over it, so nothing can depend
/// on its order. Memory: 16 bytes per slot, between a quarter and two thirds of the slots used.
template <class T>
class NameIndex {
 public:
  [[nodiscard]] T* find(std::string_view name) const noexcept {
    if (slots_.empty()) return nullptr;
    const std::uint64_t hash = hash_name(name);
    for (std::size_t i = hash & mask(); slots_[i].thing != nullptr; i = (i + 1) & mask())
      if (slots_[i].hash == hash && slots_[i].thing->index_name() == name) return slots_[i].thing;
    return nullptr;
  }
  /// `thing`'s name must not be in the index.
  void insert(T* thing) {
    if ((size_ + 1) * 3 > slots_.size() * 2) grow();
    place({hash_name(thing->index_name()), thing});
    ++size_;
  }
  void erase(T* thing) noexcept {
    std::size_t hole = hash_name(thing->index_name()) & mask();
    while (slots_[hole].thing != thing) hole = (hole + 1) & mask();
    // Close the gap: move back what would not be found behind it.
    for (std::size_t i = (hole + 1) & mask(); slots_[i].thing != nullptr; i = (i + 1) & mask()) {
      const std::size_t home = slots_[i].hash & mask();
      if (((i - home) & mask()) < ((i - hole) & mask())) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = {};
    --size_;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    T* thing = nullptr;
  };
  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  void place(Slot slot) noexcept {
    std::size_t i = slot.hash & mask();
    while (slots_[i].thing != nullptr) i = (i + 1) & mask();
    slots_[i] = slot;
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.thing != nullptr) place(slot);
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace plumvine::swim
