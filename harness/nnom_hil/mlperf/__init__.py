"""MLPerf Tiny from the host's side: its serial protocol, data sets, figures."""
