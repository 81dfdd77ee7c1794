"""A link of ours before a node: it forwards connections, and does to those of peers what bad networks do."""

import random
import socket
import threading

from client import accept_all, parse_address

MAGIC = b"quorlite"


class Pipe:
    """One connection that passes through a link."""

    def __init__(self, link, near):
        self.link = link
        self.near = near
        self.far = None
        self.of_peer = False
        self.frozen = False
        try:
            self.far = socket.create_connection(link.to, timeout=3)
            self.far.settimeout(None)
        except OSError:
            self.close()
            return
        for end in (near, self.far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((near, self.far), (self.far, near)):
            threading.Thread(target=self.forward, args=(source, sink), daemon=True).start()

    def forward(self, source, sink):
        begun = False
        try:
            while data := source.recv(1 << 16):
                if source is self.near and not begun:
                    self.of_peer = data.startswith(MAGIC)
                    begun = True
                if self.frozen:
                    if self.link.swallows:
                        continue
                    self.link.healed.wait()
                    break
                sink.sendall(self.link.passed(data) if self.of_peer else data)
        except OSError:
            pass
        if not self.frozen:  # or else even the end is not heard of
            self.close()

    def close(self):
        for end in (self.near, self.far):
            try:
                if end:
                    end.shutdown(socket.SHUT_RDWR)
                    end.close()
            except OSError:
                pass
        self.link.pipes.discard(self)


class Link:
    def __init__(self, at, to):
        self.to = parse_address(to)
        self.pipes = set()
        self.swallows = True
        self.flips = 0.0  # how likely a piece of a peer's stream gets one wrong bit
        self.random = random.Random(at)
        self.healed = threading.Event()
        self.flipped = 0
        self.listener = socket.create_server(parse_address(at))
        accept_all(self.listener, self.take)

    def take(self, near):
        threading.Thread(target=lambda: self.pipes.add(Pipe(self, near)), daemon=True).start()

    def passed(self, data):
        if self.random.random() >= self.flips:
            return data
        changed = bytearray(data)
        changed[self.random.randrange(len(changed))] ^= 1 << self.random.randrange(8)
        self.flipped += 1
        return changed

    def freeze(self, swallows):
        """What is open now passes nothing any more, not even an end; what is opened later does."""
        self.swallows = swallows
        self.healed.clear()
        frozen = [pipe for pipe in list(self.pipes) if pipe.of_peer]
        for pipe in frozen:
            pipe.frozen = True
        return len(frozen)

    def cut(self):
        for pipe in list(self.pipes):
            if pipe.of_peer:
                pipe.close()

    def heal(self):
        """What was frozen has lost bytes: it cannot go on."""
        self.flips = 0.0
        self.healed.set()
        for pipe in list(self.pipes):
            if pipe.frozen:
                pipe.close()

    def close(self):
        self.heal()
        self.listener.shutdown(socket.SHUT_RDWR)  # or accept() would keep it
        self.listener.close()
        for pipe in list(self.pipes):
            pipe.close()
