// A plain memberlist program for the tests: joins, prints what it sees as JSON lines, takes commands.
//
// Standard output: {"ready":"IP:PORT"} once, then {"members":[{"name","addr","meta"}…]} (meta in base64) whenever the list of those that
// it holds alive changes, and {"message":"…"} for what others send it. Standard error: memberlist's own log.
// Standard input: `update META`, `send NAME TEXT` (by packet), `deliver NAME TEXT` (by stream), `leave`; its end ends it.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

type member struct {
	Name string `json:"name"`
	Addr string `json:"addr"`
	Meta string `json:"meta"`
}

// peer is memberlist's delegate and listener of events.
type peer struct {
	mutex   sync.Mutex
	meta    []byte
	changed chan struct{}
}

func print(value interface{}) {
	line, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

func (p *peer) NodeMeta(limit int) []byte {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.meta
}
func (p *peer) NotifyMsg(message []byte)                   { print(map[string]string{"message": string(message)}) }
func (p *peer) GetBroadcasts(overhead, limit int) [][]byte { return nil }
func (p *peer) LocalState(join bool) []byte                { return nil }
func (p *peer) MergeRemoteState(state []byte, join bool)   {}
func (p *peer) NotifyJoin(*memberlist.Node)                { p.note() }
func (p *peer) NotifyLeave(*memberlist.Node)               { p.note() }
func (p *peer) NotifyUpdate(*memberlist.Node)              { p.note() }
func (p *peer) note() {
	select {
	case p.changed <- struct{}{}:
	default: // one is waiting already
	}
}

func listed(list *memberlist.Memberlist) []member {
	members := []member{}
	for _, node := range list.Members() {
		members = append(members, member{node.Name, node.Address(), base64.StdEncoding.EncodeToString(node.Meta)})
	}
	sort.Slice(members, func(a, b int) bool { return members[a].Name < members[b].Name })
	return members
}

// command carries out one line of standard input.
func (p *peer) command(list *memberlist.Memberlist, line string) error {
	words := strings.SplitN(line, " ", 3)
	switch words[0] {
	case "update":
		p.mutex.Lock()
		p.meta = []byte(strings.TrimPrefix(line, "update "))
		p.mutex.Unlock()
		return list.UpdateNode(10 * time.Second)
	case "leave":
		return list.Leave(10 * time.Second)
	case "send", "deliver":
		for _, node := range list.Members() {
			if len(words) == 3 && node.Name == words[1] {
				if words[0] == "send" {
					return list.SendBestEffort(node, []byte(words[2]))
				}
				return list.SendReliable(node, []byte(words[2]))
			}
		}
	}
	return fmt.Errorf("cannot do %q", line)
}

func main() {
	name := flag.String("name", "", "member name")
	bind := flag.String("bind", "127.0.0.1:0", "IP:PORT")
	join := flag.String("join", "", "seed")
	key := flag.String("key", "", "gossip key in base64")
	protocol := flag.Uint("protocol", 2, "protocol version spoken")
	compress := flag.Bool("compress", true, "compress what is sent")
	pings := flag.Bool("tcp-pings", true, "ping by stream when packets fail")
	meta := flag.String("meta", "", "metadata")
	flag.Parse()

	p := &peer{meta: []byte(*meta), changed: make(chan struct{}, 1)}
	config := memberlist.DefaultLANConfig()
	host, port, err := net.SplitHostPort(*bind)
	if err != nil {
		log.Fatal(err)
	}
	if config.BindPort, err = strconv.Atoi(port); err != nil {
		log.Fatal(err)
	}
	if config.SecretKey, err = base64.StdEncoding.DecodeString(*key); err != nil {
		log.Fatal(err)
	}
	config.Name, config.BindAddr, config.AdvertisePort = *name, host, config.BindPort
	config.ProtocolVersion, config.EnableCompression, config.DisableTcpPings = uint8(*protocol), *compress, !*pings
	config.Delegate, config.Events, config.LogOutput = p, p, os.Stderr
	list, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	print(map[string]string{"ready": list.LocalNode().Address()})
	if *join != "" {
		if _, err := list.Join([]string{*join}); err != nil {
			log.Fatal(err)
		}
	}
	go func() {
		for range p.changed {
			print(map[string][]member{"members": listed(list)})
		}
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := p.command(list, lines.Text()); err != nil {
			log.Print("[ERR] peer: ", err)
		}
	}
}
