# Python 2.7: what `wstest --mode fuzzingclient` does with the spec that is named, without TLS. OpenSSL for Python 2.7 cannot
# be built on a current system, and nothing here is encrypted.
import json
import sys
import types

import twisted.internet

ssl = types.ModuleType("twisted.internet.ssl")
ssl.ClientContextFactory = lambda: None
twisted.internet.ssl = sys.modules["twisted.internet.ssl"] = ssl

from autobahntestsuite import choosereactor, fuzzing  # It chooses when it is imported.
from twisted.internet import reactor

with open(sys.argv[1]) as spec:
    fuzzing.startClient(json.load(spec))
reactor.run()
