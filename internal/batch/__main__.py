from internal.batch.command import main

main()
