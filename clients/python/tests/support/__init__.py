"""What tests share: a machine with a clock, a broker, a faulty proxy, things to wait for."""
