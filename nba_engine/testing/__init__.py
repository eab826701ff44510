"""What tests of plugins stand on: fakes, fixtures, one contract suite per protocol."""
