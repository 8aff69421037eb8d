"""Step times: when each concept is learned."""
