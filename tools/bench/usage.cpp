#include "usage.hpp"

namespace plumvine::bench {

std::string_view usage() {
  return R"(plumvine-bench: measures how much members carry on this machine, and at which cost: real nodes on loopback, everything on.

Without a command it makes one measurement and prints it as one JSON line.

  plumvine-bench report FILE...         a Markdown table of such lines, our own and those of other programs

Flags of a measurement:
  --n N                     members, 2 to 64 (8); processes of their own
  --threads                 members are threads of one process
  --size BYTES              of a payload, 64 to 16777216 (64)
  --mode one|all|lat        who publishes: one as fast as it is let, all so, or one at --rate (one)
  --secs T                  how long is published (1); what is under way then is waited for, and counts
  --rate N                  messages a second of --mode lat (100)
  --topology tree|full      links as the preset has them, or between any two, each member the root of its own tree; full
                            is for up to 16 members (tree)
  --tls                     under TLS, with certificates of an authority of this run
  --transport tcp|quic      what links go over; quic is under TLS (tcp)
  --port PORT               of the first member, the others follow; 0: the system chooses (0)
  --netns NAME              member I is in the network namespace NAMEI (as root), where it has the address 10.97.0.(I+1)
  --run R                   a number that the line repeats (0)
  --quiet-wait T            wait so many seconds at most until the machine is idle (0)

Flags of report:
  --svg FILE                write a plot of the same as SVG: rates, processor time and latencies over the size of payloads
  --over size|members       what the plots go over (size)

  --help                    this text
  --version                 the version

Exit status: 0 well, 1 no result, which the line's field error explains, or a file that cannot be read or written, 2 wrong usage.
)";
}

}  // namespace plumvine::bench
