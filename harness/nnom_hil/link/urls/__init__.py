"""pyserial URL handlers of our own; pyserial finds them by module name (protocol_<scheme>)."""
