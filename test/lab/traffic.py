# Real packets for the firewall's tests, at both ends. `serve {"tcp": [25], "udp": [500]}` answers whatever comes;
# `ask {"ipv4", "ipv6", "source6", "probes": ["tcp4/25", "icmp6", …]}` prints which probes were answered.

import concurrent.futures
import json
import socket
import subprocess
import sys
import threading

# Longer than the second after which TCP asks again.
SECONDS = 1.5
FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6}
RAW = {"gre": 47, "esp": 50}


def echo_stream(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        client, _ = server.accept()
        client.sendall(b"here")
        client.close()


def echo_datagrams(port):
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    while True:
        data, client = server.recvfrom(100)
        server.sendto(data, client)


def echo_raw(protocol):
    server = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    while True:
        packet, client = server.recvfrom(200)
        if packet.endswith(b"ask"):
            server.sendto(b"answer", client)


def serve(ports):
    threads = [threading.Thread(target=echo_stream, args=(port,)) for port in ports["tcp"]]
    threads += [threading.Thread(target=echo_datagrams, args=(port,)) for port in ports["udp"]]
    threads += [threading.Thread(target=echo_raw, args=(number,)) for number in RAW.values()]
    for thread in threads:
        thread.start()


def is_answered(probe, place):
    kind, _, port = probe.partition("/")
    protocol, family = kind[:-1], kind[-1]
    address = place["ipv" + family]
    source = place.get("source6") if family == "6" else None
    if protocol == "icmp":
        own = ["-I", source] if source else []
        return subprocess.run(["ping", "-q", "-c1", "-W1", *own, address], capture_output=True).returncode == 0
    if protocol in RAW:
        client = socket.socket(FAMILIES[family], socket.SOCK_RAW, RAW[protocol])
    else:
        streams = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        client = socket.socket(FAMILIES[family], streams)
    client.settimeout(SECONDS)
    try:
        if source:
            client.bind((source, 0))
        client.connect((address, int(port or 0)))
        if protocol != "tcp":
            client.send(b"ask")
        return len(client.recv(100)) > 0
    except OSError:
        return False
    finally:
        client.close()


request = json.loads(sys.argv[2])
if sys.argv[1] == "serve":
    serve(request)
else:
    with concurrent.futures.ThreadPoolExecutor(len(request["probes"])) as pool:
        answers = list(pool.map(lambda probe: is_answered(probe, request), request["probes"]))
    print(json.dumps([probe for probe, answered in zip(request["probes"], answers) if answered]))
