//! The socket ring, buffers, listeners; knows no MQTT.
