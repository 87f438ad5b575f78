#include "shape.hpp"

namespace plumvine::tree {

void Shape::set_role(Slot slot, bool eager, std::string_view reason) {
  Link& link = core_.links[slot];
  if (link.eager == eager) return;
  link.eager = eager;
  ++(eager ? core_.stats.promotions : core_.stats.demotions);
  core_.out.push(RoleChanged{link.peer, eager ? PeerRole::eager : PeerRole::lazy, std::string(reason)});
}

void Shape::prune(Slot slot, TreeId tree) {
  ++core_.stats.prune_sent;
  core_.send(slot, frame::Prune{tree});
}

void Shape::say_demoted(Slot slot) {
  core_.log(LogLevel::debug, "PV1302",
            "Demoting peer " + core_.links[slot].traits.name + " to lazy (optimization threshold reached)",
            {{"peer", core_.links[slot].traits.name}});
}

}  // namespace plumvine::tree
