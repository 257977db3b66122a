from internal.dev.command import main

main()
