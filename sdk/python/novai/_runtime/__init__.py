"""What every operation shares. Written by hand; `openapi/codegen` generates what stands beside it from the spec."""
