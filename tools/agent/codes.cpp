#include "codes.hpp"

#include <array>

namespace plumvine::agent {

std::span<const Code> codes() {
  static constexpr std::array table{
      Code{"PV5001", "a signal asked the agent to leave",
           "nothing: it ends when the cluster knows, or after leave_timeout"},
      Code{"PV5002", "SIGHUP: the configuration was read again",
           "restart the agent where the line names keys that need it"},
      Code{"PV5003", "a line of standard input is above max_message_size",
           "split it, or raise max_message_size on all members"},
      Code{"PV5004", "the node refused a line of standard input", "the line says why"},
      Code{"PV5005", "standard output was closed by its reader",
           "restart the agent where messages are to be printed again"},
      Code{"PV5006", "SIGHUP: the configuration has mistakes and was not taken over",
           "mend what the line names, send SIGHUP again"},
      Code{"PV5007", "SIGUSR1: the node's state was written to a file", "read it, delete it"},
      Code{"PV5008", "the state could not be written", "make room in the temporary folder, or set TMPDIR"},
      Code{"PV5009", "standard error did not take log lines", "read it faster, or log less (--log-level)"},
      Code{"PV5010", "something in the environment was passed over", "the line names it"},
      Code{"PV5011", "a log file did not take lines",
           "the line says why: make room, or see to it that the folder can be written, since files are renamed there"},
  };
  return table;
}

}  // namespace plumvine::agent
