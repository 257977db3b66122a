from internal.models.command import main

main()
